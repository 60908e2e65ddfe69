//! Which root image a job gets, and what it may do inside.

use std::collections::HashMap;

use assay_plan::{EventKind, Slug};
use assay_sandbox::{Image, ImageError, Images, Profile};

use super::host;
use crate::config::{self, Config, HOST_IMAGE, ImageChoice, JobProfile};

/// The operator's choices.
#[derive(Debug)]
pub(super) struct Choices {
    store: Images,
    images: config::Images,
    folders: Vec<std::path::PathBuf>,
    /// Repositories whose profile isn't the default one.
    profiles: HashMap<Slug, JobProfile>,
}

/// What a job gets.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) image: Image,
    pub(super) profile: Profile,
    /// For the job's record: `host`, or name and digest.
    pub(super) name: String,
    /// Code name of its distribution, if known.
    pub(super) dist: Option<String>,
    /// Lines for the top of the log.
    pub(super) notes: Vec<String>,
}

impl Choices {
    pub(super) fn new(config: &Config, store: Images) -> Self {
        let rooted = config
            .repositories
            .iter()
            .filter(|entry| entry.profile == JobProfile::Root);
        Choices {
            store,
            images: config.images.clone(),
            folders: config.sandbox.folders.clone(),
            profiles: rooted
                .map(|entry| (entry.slug.clone(), entry.profile))
                .collect(),
        }
    }

    /// The image for a job that asks for `dist`. An error is in words for the author.
    pub(super) fn choose(
        &self,
        dist: Option<&str>,
        slug: &Slug,
        event: EventKind,
    ) -> Result<Chosen, String> {
        let mut notes = Vec::new();
        let listed = dist.and_then(|dist| self.images.dists.get(dist));
        let choice = match (dist, listed) {
            (_, Some(choice)) => choice,
            (Some(dist), None) if self.images.strict => {
                return Err(format!(
                    "There is no image for dist {dist} here (images.strict is on; add one under images: in assay.yml)."
                ));
            }
            (Some(dist), None) => {
                let default = &self.images.default;
                if !(default.image == HOST_IMAGE && host::dist() == Some(dist)) {
                    notes.push(format!(
                        "there is no image for dist {dist}: {} is used",
                        default.image
                    ));
                }
                default
            }
            (None, None) => &self.images.default,
        };
        let wanted = self.wants_root(choice, slug);
        if choice.image == HOST_IMAGE {
            if wanted {
                notes.push("profile root needs an imported image: this job has no root".to_owned());
            }
            return Ok(Chosen {
                image: self.host(),
                profile: Profile::Strict,
                name: HOST_IMAGE.to_owned(),
                dist: host::dist().map(str::to_owned),
                notes,
            });
        }
        // Whoever may propose a change need not be one whom the operator gave root to.
        let allowed = event != EventKind::PullRequest;
        if wanted && !allowed {
            notes.push("profile root is not for pull requests: this job has no root".to_owned());
        }
        let found = self
            .store
            .find(&choice.image)
            .map_err(|error| missing(&choice.image, &error))?;
        let name = format!("{} {}", choice.image, found.about.digest);
        notes.push(format!("image {name}"));
        Ok(Chosen {
            dist: listed
                .and(dist)
                .map(str::to_owned)
                .or_else(|| found.codename()),
            image: Image::Imported(found),
            profile: if wanted && allowed {
                Profile::Root
            } else {
                Profile::Strict
            },
            name,
            notes,
        })
    }

    /// Image and profile of most jobs; none while the image isn't here.
    pub(super) fn usual(&self) -> Option<(Image, Profile)> {
        let default = &self.images.default;
        if default.image == HOST_IMAGE {
            return Some((self.host(), Profile::Strict));
        }
        let profile = match default.profile {
            JobProfile::Root => Profile::Root,
            JobProfile::Strict => Profile::Strict,
        };
        let image = self.store.find(&default.image).ok()?;
        Some((Image::Imported(image), profile))
    }

    fn host(&self) -> Image {
        Image::Host {
            folders: self.folders.clone(),
        }
    }

    fn wants_root(&self, choice: &ImageChoice, slug: &Slug) -> bool {
        choice.profile == JobProfile::Root || self.profiles.get(slug) == Some(&JobProfile::Root)
    }
}

fn missing(name: &str, error: &ImageError) -> String {
    match error {
        ImageError::Unknown(_) => {
            format!("Image {name} isn't here; assay image import {name} SOURCE brings it.")
        }
        _ => format!("Image {name} can't be used: {error}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Host;
    use assay_sandbox::Launcher;

    fn choices(text: &str) -> Choices {
        let host = Host {
            cores: 1,
            memory: 1 << 30,
        };
        let config = Config::parse(text.as_bytes(), host).unwrap();
        let launcher = Launcher {
            program: "/nonexistent".into(),
            args: vec![],
        };
        Choices::new(&config, Images::new("/nonexistent/images".into(), launcher))
    }

    fn choose(text: &str, dist: Option<&str>) -> Result<Chosen, String> {
        choices(text).choose(dist, &Slug::parse("o/r").unwrap(), EventKind::Push)
    }

    #[test]
    fn unlisted_dists_get_the_default_and_a_line_unless_strict() {
        let chosen = choose("", Some("plan9")).unwrap();
        assert_eq!(
            chosen.notes,
            ["there is no image for dist plan9: host is used"]
        );
        assert_eq!(choose("", None).unwrap().notes, Vec::<String>::new());
        assert_eq!(
            choose("", host::dist()).unwrap().notes,
            Vec::<String>::new()
        );
        let refused = choose("images: {strict: true}", Some("plan9")).unwrap_err();
        assert!(refused.contains("dist plan9"), "{refused}");
        assert!(choose("images: {strict: true}", None).is_ok());
    }

    #[test]
    fn a_missing_image_names_the_command_that_brings_it() {
        let text = "images: {focal: ubuntu-focal}";
        let refused = choose(text, Some("focal")).unwrap_err();
        assert!(
            refused.contains("assay image import ubuntu-focal SOURCE"),
            "{refused}"
        );
    }

    #[test]
    fn the_host_has_no_root() {
        let text = "repositories: [{path: /srv/o/r.git, profile: root}]";
        let chosen = choose(text, None).unwrap();
        assert_eq!(chosen.profile, Profile::Strict);
        assert!(chosen.notes[0].contains("imported image"));
    }
}
