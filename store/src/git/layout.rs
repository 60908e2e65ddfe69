//! Laying out a commit: its tree and a `.git` over the mirror's objects, as a stream of items.

use std::io;
use std::path::PathBuf;

use assay_plan::{CommitId, RefName, Repository};
use gix::ObjectId;
use gix::bstr::{BStr, BString, ByteSlice};
use gix::objs::tree::EntryKind;

use super::dot_git::{self, DotGit};
use super::error::GitError;
use super::index::Index;
use super::mirrors::Mirror;
use super::objects::Objects;
use super::pack::Order;
use super::submodule::{self, Submodule};
use super::tree::{self, Entry};
use super::{Git, Source};

/// Submodules of submodules of …
const SUBMODULE_DEPTH: usize = 10;
/// LFS pointers are smaller (git-lfs, `docs/spec.md`).
const LFS_POINTER: usize = 1024;

/// What a job's work tree is to look like.
#[derive(Debug, Clone)]
pub struct Checkout {
    /// The commit.
    pub commit: CommitId,
    /// The ref it was pushed to.
    pub ref_name: RefName,
    /// Commits of history; `None` for all.
    pub depth: Option<u32>,
    /// Whether submodules are laid out.
    pub submodules: bool,
    /// Commits of history of submodules; `None` for all.
    pub submodules_depth: Option<u32>,
    /// Whether LFS pointers are left as they are (otherwise they are refused).
    pub lfs_pointers: bool,
    /// Where the mirror's objects will be seen inside the sandbox.
    pub objects_at: String,
    /// Address to write down as the remote `origin`.
    pub origin: String,
    /// Modification time that all files and links will have, seconds since the epoch. Where the index itself gets a
    /// later one, Git need not read the files again to know that they are unchanged.
    pub mtime: i64,
}

/// One thing to write into a work tree; paths are relative to it.
#[derive(Debug)]
pub enum TreeItem<'a> {
    /// A regular file.
    File {
        /// Path.
        path: &'a [u8],
        /// Whether it may be executed.
        executable: bool,
        /// Content.
        content: &'a [u8],
    },
    /// A symbolic link. Needs the modification time as well (of the link itself).
    Link {
        /// Path.
        path: &'a [u8],
        /// Target.
        target: &'a [u8],
    },
    /// A folder. Comes before everything in it.
    Folder {
        /// Path.
        path: &'a [u8],
    },
}

/// What laying out found, for the job's log.
#[derive(Debug, Clone, Default)]
pub struct LaidOut {
    /// Lines for the log (submodules laid out, …).
    pub notes: Vec<String>,
    /// Further mirrors whose objects the work tree needs: (host folder, path inside the sandbox).
    pub objects: Vec<(PathBuf, String)>,
}

/// Where the items go.
pub(super) type Sink<'a> = &'a mut dyn FnMut(TreeItem<'_>) -> io::Result<()>;

/// One laying out, submodules included.
pub(super) struct Layout<'a> {
    pub(super) git: &'a Git,
    pub(super) root: &'a Repository,
    pub(super) checkout: &'a Checkout,
    pub(super) sink: Sink<'a>,
    pub(super) out: LaidOut,
    /// Only finds out what is needed, writes nothing.
    pub(super) survey: bool,
}

/// One repository in it: the one that is built, or a submodule.
struct Place<'a> {
    repository: &'a Repository,
    commit: ObjectId,
    /// Path of the work tree, empty or with a slash at its end.
    prefix: BString,
    /// Path of the Git folder.
    git_dir: BString,
    /// Where its mirror's objects will be seen.
    objects_at: String,
    origin: &'a str,
    level: usize,
}

impl Layout<'_> {
    /// Lays out the repository that is built.
    pub(super) fn lay_root(&mut self, commit: ObjectId) -> Result<(), GitError> {
        let (root, checkout) = (self.root, self.checkout);
        self.lay(&Place {
            repository: root,
            commit,
            prefix: BString::default(),
            git_dir: ".git".into(),
            objects_at: checkout.objects_at.clone(),
            origin: &checkout.origin,
            level: 0,
        })
    }

    fn lay(&mut self, place: &Place<'_>) -> Result<(), GitError> {
        let git = self.git;
        let mirror = git.mirror(place.repository)?;
        let mut objects = mirror.objects()?;
        let mut again = false;
        let entries = git.mending(place.repository, place.commit, &mut || {
            if std::mem::replace(&mut again, true) {
                objects = mirror.objects()?;
            }
            let (root, _) = objects.commit(&place.commit, &mut Vec::new())?;
            tree::list(&objects, root)
        })?;
        let modules = self.modules(place, &objects, &entries)?;
        let registered = if modules.is_empty() {
            Vec::new()
        } else {
            git.registered()?
        };
        // Everything that can be refused without reading further is refused before anything is written.
        let mut found = Vec::new();
        for (module, commit) in &modules {
            found.push(
                self.find(place, module, &registered)
                    .map(|repository| (module, *commit, repository))?,
            );
        }
        if !self.survey {
            self.files(place, &mirror, &mut objects, &entries)?;
            let names: Vec<_> = modules.iter().map(|(module, _)| module).collect();
            self.dot_git(place, &mirror, &names)?;
        }
        for (module, commit, repository) in found {
            self.lay_submodule(place, module, commit, repository)?;
        }
        Ok(())
    }

    /// The submodules of a tree that are to be laid out.
    fn modules(
        &self,
        place: &Place<'_>,
        objects: &Objects,
        entries: &[Entry],
    ) -> Result<Vec<(Submodule, ObjectId)>, GitError> {
        let links: Vec<_> = entries
            .iter()
            .filter(|entry| entry.kind == EntryKind::Commit)
            .collect();
        let file = entries.iter().find(|entry| entry.path == ".gitmodules");
        // Without the file, Git leaves such entries alone too.
        let Some(file) = file.filter(|_| self.checkout.submodules && !links.is_empty()) else {
            return Ok(Vec::new());
        };
        let mut content = Vec::new();
        objects.read(&file.id, &mut content)?;
        let modules = submodule::parse(&content)?;
        let mut found = Vec::new();
        for link in links {
            let Some(module) = modules.iter().find(|module| module.path == link.path) else {
                return Err(refused(
                    place,
                    link.path.as_bstr(),
                    "it is not in .gitmodules".to_owned(),
                ));
            };
            found.push((module.clone(), link.id));
        }
        Ok(found)
    }

    fn find<'a>(
        &self,
        place: &Place<'_>,
        module: &Submodule,
        registered: &'a [Repository],
    ) -> Result<&'a Repository, GitError> {
        if place.level == SUBMODULE_DEPTH {
            return Err(refused(
                place,
                module.path.as_bstr(),
                "submodules are nested too deep".to_owned(),
            ));
        }
        submodule::resolve(&module.url, place.repository, self.root, registered).ok_or_else(|| {
            // The same words whether it doesn't exist or is none of the reader's business.
            let why = format!(
                "{:?} is no repository here that {} may read",
                module.url, self.root.slug
            );
            refused(place, module.path.as_bstr(), why)
        })
    }

    fn lay_submodule(
        &mut self,
        place: &Place<'_>,
        module: &Submodule,
        commit: ObjectId,
        repository: &Repository,
    ) -> Result<(), GitError> {
        self.git.bring(repository, commit)?;
        let mut prefix = place.prefix.clone();
        prefix.extend_from_slice(&module.path);
        let mut git_dir = place.git_dir.clone();
        git_dir.extend_from_slice(b"/modules/");
        git_dir.extend_from_slice(module.name.as_bytes());
        let objects_at = if repository.id == self.root.id {
            self.checkout.objects_at.clone()
        } else {
            self.bind(repository)
        };
        self.out.notes.push(format!(
            "submodule {}: {} at {commit}",
            prefix.as_bstr(),
            repository.slug
        ));
        let mut link = b"gitdir: ".to_vec();
        link.extend_from_slice(&dot_git::relative(prefix.as_bstr(), git_dir.as_bstr()));
        link.push(b'\n');
        prefix.push(b'/');
        let mut link_path = prefix.clone();
        link_path.extend_from_slice(b".git");
        self.put(TreeItem::File {
            path: &link_path,
            executable: false,
            content: &link,
        })?;
        let level = place.level + 1;
        self.lay(&Place {
            repository,
            commit,
            prefix,
            git_dir,
            objects_at,
            origin: &module.url,
            level,
        })
    }

    /// Where a further mirror will be seen, which the sandbox is told once.
    fn bind(&mut self, repository: &Repository) -> String {
        let at = format!("{}-{}", self.checkout.objects_at, repository.id);
        if !self.out.objects.iter().any(|(_, known)| *known == at) {
            self.out
                .objects
                .push((self.git.objects(repository), at.clone()));
        }
        at
    }

    fn put(&mut self, item: TreeItem<'_>) -> Result<(), GitError> {
        (self.sink)(item).map_err(GitError::Sink)
    }

    /// Writes the files of the tree and the index that goes with them.
    fn files(
        &mut self,
        place: &Place<'_>,
        mirror: &Mirror,
        objects: &mut Objects,
        entries: &[Entry],
    ) -> Result<(), GitError> {
        let refuse_lfs = !self.checkout.lfs_pointers && uses_lfs(objects, entries)?;
        for path in dot_git::folders(place.git_dir.as_bstr(), place.level > 0) {
            self.put(TreeItem::Folder { path: &path })?;
        }
        let mut index = Index::new(objects.hash, self.checkout.mtime);
        let mut content = Vec::new();
        let mut path = place.prefix.clone();
        // Folders first; what is in them then in the order of the packs, where an object stands near the one it is a
        // delta of.
        let (folders, mut rest): (Vec<_>, Vec<_>) = entries
            .iter()
            .partition(|entry| matches!(entry.kind, EntryKind::Tree | EntryKind::Commit));
        let order = Order::read(mirror);
        rest.sort_by_cached_key(|entry| order.place(&entry.id));
        for entry in folders.into_iter().chain(rest) {
            path.truncate(place.prefix.len());
            path.extend_from_slice(&entry.path);
            content.clear();
            match entry.kind {
                EntryKind::Tree | EntryKind::Commit => {
                    self.put(TreeItem::Folder { path: &path })?
                }
                EntryKind::Link => {
                    self.read(place, mirror, objects, entry.id, &mut content)?;
                    check_target(place, entry, &content)?;
                    self.put(TreeItem::Link {
                        path: &path,
                        target: &content,
                    })?;
                }
                EntryKind::Blob | EntryKind::BlobExecutable => {
                    self.read(place, mirror, objects, entry.id, &mut content)?;
                    if refuse_lfs && is_lfs_pointer(&content) {
                        return Err(GitError::Lfs {
                            path: path.to_str_lossy().into_owned(),
                        });
                    }
                    let executable = entry.kind == EntryKind::BlobExecutable;
                    self.put(TreeItem::File {
                        path: &path,
                        executable,
                        content: &content,
                    })?;
                }
            }
            index.add(entry.path.as_bstr(), entry.kind, entry.id, content.len());
        }
        let bytes = index.into_bytes();
        let bytes = bytes.map_err(|what| GitError::Repository {
            path: objects.repository.clone(),
            what,
        })?;
        let mut path = place.git_dir.clone();
        path.extend_from_slice(b"/index");
        self.put(TreeItem::File {
            path: &path,
            executable: false,
            content: &bytes,
        })
    }

    /// Reads a blob; if the mirror turns out to be damaged, mends it first.
    fn read(
        &self,
        place: &Place<'_>,
        mirror: &Mirror,
        objects: &mut Objects,
        id: ObjectId,
        content: &mut Vec<u8>,
    ) -> Result<(), GitError> {
        match objects.read(&id, content) {
            Err(error) if self.git.is_damage(place.repository, &error) => {
                self.git.mend(place.repository, place.commit, &error)?;
                *objects = mirror.objects()?;
                objects.read(&id, content)?;
            }
            other => {
                other?;
            }
        }
        Ok(())
    }

    fn dot_git(
        &mut self,
        place: &Place<'_>,
        mirror: &Mirror,
        modules: &[&Submodule],
    ) -> Result<(), GitError> {
        let Source::Path(source) = &place.repository.source;
        let dot_git = DotGit {
            commit: place.commit,
            ref_name: (place.level == 0).then_some(&self.checkout.ref_name),
            depth: match place.level {
                0 => self.checkout.depth,
                _ => self.checkout.submodules_depth,
            },
            objects_at: &place.objects_at,
            origin: place.origin,
            work_tree: (place.level > 0)
                .then(|| dot_git::relative(place.git_dir.as_bstr(), work_tree(place))),
            modules,
            source: source.as_ref(),
            mirror,
        };
        let files = self.git.mending(place.repository, place.commit, &mut || {
            dot_git.files(&mirror.objects()?)
        })?;
        for (name, content) in files {
            let mut path = place.git_dir.clone();
            path.push(b'/');
            path.extend_from_slice(name.as_bytes());
            self.put(TreeItem::File {
                path: &path,
                executable: false,
                content: &content,
            })?;
        }
        Ok(())
    }
}

fn work_tree<'a>(place: &'a Place<'_>) -> &'a BStr {
    place
        .prefix
        .strip_suffix(b"/")
        .unwrap_or(&place.prefix)
        .as_bstr()
}

fn refused(place: &Place<'_>, path: &BStr, why: String) -> GitError {
    let mut whole = place.prefix.clone();
    whole.extend_from_slice(path);
    GitError::Submodule {
        path: whole.to_str_lossy().into_owned(),
        why,
    }
}

/// A link's target may lead anywhere (only the sandbox is there), but it must be one.
fn check_target(place: &Place<'_>, entry: &Entry, target: &[u8]) -> Result<(), GitError> {
    if !target.is_empty() && target.len() < 4096 && !target.contains(&0) {
        return Ok(());
    }
    let mut path = place.prefix.clone();
    path.extend_from_slice(&entry.path);
    Err(GitError::Name {
        path: path.to_str_lossy().into_owned(),
        why: "its link target is none".to_owned(),
    })
}

/// Whether any `.gitattributes` hands files to Git LFS.
fn uses_lfs(objects: &Objects, entries: &[Entry]) -> Result<bool, GitError> {
    let is_attributes = |entry: &&Entry| {
        let name = entry
            .path
            .rsplit_once_str("/")
            .map_or(entry.path.as_slice(), |(_, name)| name);
        name == b".gitattributes"
            && matches!(entry.kind, EntryKind::Blob | EntryKind::BlobExecutable)
    };
    let mut content = Vec::new();
    for entry in entries.iter().filter(is_attributes) {
        objects.read(&entry.id, &mut content)?;
        if content.contains_str("filter=lfs") {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_lfs_pointer(content: &[u8]) -> bool {
    content.len() < LFS_POINTER
        && content.starts_with(b"version https://git-lfs.github.com/spec/")
        && content.contains_str("\noid sha256:")
}
