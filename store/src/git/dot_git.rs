//! The files of a work tree's Git folder, apart from the index.

use std::collections::{HashMap, VecDeque};
use std::path::Path;

use assay_plan::RefName;
use gix::ObjectId;
use gix::bstr::{BStr, BString, ByteSlice};
use gix::hash::Kind as Hash;

use super::error::GitError;
use super::mirrors::Mirror;
use super::objects::Objects;
use super::source::{SourceRepository, read_shallow};
use super::submodule::Submodule;

/// What the files are made from.
pub(super) struct DotGit<'a> {
    pub(super) commit: ObjectId,
    pub(super) ref_name: Option<&'a RefName>,
    pub(super) depth: Option<u32>,
    pub(super) objects_at: &'a str,
    pub(super) origin: &'a str,
    /// The way from the Git folder to the work tree, for a submodule.
    pub(super) work_tree: Option<BString>,
    pub(super) modules: &'a [&'a Submodule],
    pub(super) source: &'a Path,
    pub(super) mirror: &'a Mirror,
}

/// Folders of a Git folder, parents first.
pub(super) fn folders(git_dir: &BStr, is_submodule: bool) -> Vec<BString> {
    let mut all = Vec::new();
    if is_submodule {
        // `.git/modules/libs/name`: what is above it may be there already.
        let mut at = 0;
        while let Some(next) = git_dir[at..].find_byte(b'/') {
            at += next + 1;
            all.push(git_dir[..at - 1].into());
        }
        all.remove(0);
    }
    for name in ["", "/objects", "/objects/info", "/objects/pack", "/refs", "/refs/heads", "/refs/tags"] {
        let mut path = BString::from(git_dir);
        path.extend_from_slice(name.as_bytes());
        all.push(path);
    }
    all
}

/// The relative way from the folder `from` to `to`; both are relative to the same folder and clean.
pub(super) fn relative(from: &BStr, to: &BStr) -> BString {
    let parts = |path: &BStr| -> Vec<BString> {
        path.split_str("/").filter(|part| !part.is_empty()).map(BString::from).collect()
    };
    let (from, to) = (parts(from), parts(to));
    let common = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
    let up = std::iter::repeat_n(BString::from(".."), from.len() - common);
    let way: Vec<BString> = up.chain(to[common..].iter().cloned()).collect();
    BString::from(gix::bstr::join("/", way))
}

impl DotGit<'_> {
    /// Name and content of each file.
    pub(super) fn files(&self, objects: &Objects) -> Result<Vec<(&'static str, Vec<u8>)>, GitError> {
        let mut files = vec![
            ("HEAD", format!("{}\n", self.commit).into_bytes()),
            ("config", self.config().into()),
            ("objects/info/alternates", format!("{}\n", self.objects_at).into_bytes()),
            ("packed-refs", self.packed_refs(objects).into()),
        ];
        let shallow = self.shallow(objects)?;
        if !shallow.is_empty() {
            files.push(("shallow", shallow.into_bytes()));
        }
        Ok(files)
    }

    fn config(&self) -> BString {
        let is_sha256 = self.mirror.hash == Hash::Sha256;
        let mut text = BString::from(format!(
            "[core]\n\trepositoryformatversion = {}\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n\
             \tcheckStat = minimal\n\ttrustctime = false\n",
            u8::from(is_sha256)
        ));
        if let Some(way) = &self.work_tree {
            text.extend_from_slice(b"\tworktree = ");
            text.extend_from_slice(&quoted(way));
            text.push(b'\n');
        }
        if is_sha256 {
            text.extend_from_slice(b"[extensions]\n\tobjectFormat = sha256\n");
        }
        text.extend_from_slice(b"[remote \"origin\"]\n\turl = ");
        text.extend_from_slice(&quoted(self.origin.as_bytes()));
        text.extend_from_slice(b"\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n");
        for module in self.modules {
            text.extend_from_slice(b"[submodule ");
            text.extend_from_slice(&quoted(module.name.as_bytes()));
            text.extend_from_slice(b"]\n\tactive = true\n\turl = ");
            text.extend_from_slice(&quoted(module.url.as_bytes()));
            text.push(b'\n');
        }
        text
    }

    /// The branch that was pushed, and the tags of the source whose objects are in the mirror.
    fn packed_refs(&self, objects: &Objects) -> BString {
        let mut refs: Vec<(BString, ObjectId)> = Vec::new();
        if let Some(name) = self.ref_name {
            match name.branch() {
                Some(branch) => {
                    refs.push((format!("refs/heads/{branch}").into(), self.commit));
                    refs.push((format!("refs/remotes/origin/{branch}").into(), self.commit));
                }
                // The tag that was pushed is there even if the source has it no longer.
                None => refs.extend(name.tag().map(|tag| (format!("refs/tags/{tag}").into(), self.commit))),
            }
        }
        // A source that can't be read any more is no reason to stop a job whose commit is in the mirror.
        let tags = SourceRepository::open(self.source).and_then(|source| super::refs::tags(&source));
        for tag in tags.unwrap_or_default() {
            if objects.contains(&tag.target) {
                refs.retain(|(name, _)| *name != tag.name);
                refs.push((tag.name, tag.target));
            }
        }
        refs.sort();
        let mut text = BString::from("# pack-refs with: sorted \n");
        for (name, id) in refs {
            text.extend_from_slice(format!("{id} ").as_bytes());
            text.extend_from_slice(&name);
            text.push(b'\n');
        }
        text
    }

    /// Commits whose parents the job doesn't see: those `depth` away, and those the mirror doesn't have the parents of.
    fn shallow(&self, objects: &Objects) -> Result<String, GitError> {
        let cut = read_shallow(&self.mirror.path)
            .map_err(|what| GitError::Repository { path: self.mirror.path.clone(), what })?;
        let mut found: Vec<ObjectId> = Vec::new();
        if let Some(depth) = self.depth {
            let mut distance = HashMap::from([(self.commit, 1_u32)]);
            let mut queue = VecDeque::from([self.commit]);
            let mut buffer = Vec::new();
            while let Some(id) = queue.pop_front() {
                let (_, parents) = objects.commit(&id, &mut buffer)?;
                let here = distance[&id];
                if cut.contains(&id) {
                    continue;
                }
                if here >= depth.max(1) {
                    if !parents.is_empty() {
                        found.push(id);
                    }
                    continue;
                }
                for parent in parents {
                    distance.entry(parent).or_insert_with(|| {
                        queue.push_back(parent);
                        here + 1
                    });
                }
            }
        }
        found.extend(cut.iter().filter(|id| objects.contains(id)));
        found.sort_unstable();
        found.dedup();
        Ok(found.iter().map(|id| format!("{id}\n")).collect())
    }
}

/// A value as Git's configuration reads it back.
fn quoted(value: &[u8]) -> BString {
    let mut text = BString::from("\"");
    for byte in value {
        match byte {
            b'"' | b'\\' => text.extend_from_slice(&[b'\\', *byte]),
            b'\n' => text.extend_from_slice(b"\\n"),
            _ => text.push(*byte),
        }
    }
    text.push(b'"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_between_folders() {
        let way = |from: &str, to: &str| relative(from.into(), to.into()).to_string();
        assert_eq!(way("sub", ".git/modules/sub"), "../.git/modules/sub");
        assert_eq!(way("a/b", ".git/modules/x/y"), "../../.git/modules/x/y");
        assert_eq!(way(".git/modules/x/y", "a/b"), "../../../../a/b");
        assert_eq!(way("a/b/c", "a/b/d"), "../d");
    }

    #[test]
    fn values_are_quoted() {
        assert_eq!(quoted(b"a \"b\"\\\n"), r#""a \"b\"\\\n""#);
    }

    #[test]
    fn folders_of_a_submodule_begin_below_the_root() {
        let all = folders(".git/modules/libs/a".into(), true);
        assert_eq!(all[..3], [".git/modules", ".git/modules/libs", ".git/modules/libs/a"].map(BString::from));
        assert_eq!(folders(".git".into(), false)[0], ".git");
    }
}
