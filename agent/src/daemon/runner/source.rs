//! The source of a job: what of the host it needs, and how script, work tree and caches get into the sandbox.

use std::path::PathBuf;

use assay_plan::{Build, JobPlan, Repository};
use assay_sandbox::TreeWriter;
use assay_store::{Archive, Checkout, Git, Store, TreeItem};

use super::{HOME, Runner};
use crate::clock;
use crate::daemon::kept::{self, Broken};
use crate::daemon::worktree::WorkTree;

/// Where the mirror's objects are seen inside a sandbox.
const OBJECTS: &str = "/run/assay/objects";

/// Where a job's source comes from, and what of the host it needs to see for it.
pub(in crate::daemon) struct Source {
    store: Store,
    repository: Repository,
    checkout: Option<Checkout>,
    pub(super) objects: Vec<(PathBuf, String)>,
}

pub(in crate::daemon) async fn prepare(
    runner: &Runner,
    build: &Build,
    repository: Repository,
    plan: &JobPlan,
) -> Result<Source, String> {
    let store = runner.store.clone();
    if !plan.git.clone {
        return Ok(Source {
            store,
            repository,
            checkout: None,
            objects: Vec::new(),
        });
    }
    let name = build.tag.as_ref().map_or_else(
        || format!("refs/heads/{}", build.branch),
        |tag| format!("refs/tags/{tag}"),
    );
    let checkout = Checkout {
        commit: build.commit.id.clone(),
        ref_name: assay_plan::RefName::parse(&name)
            .map_err(|error| format!("The ref cannot be checked out: {error}"))?,
        depth: plan.git.depth,
        submodules: plan.git.submodules,
        submodules_depth: plan.git.submodules_depth,
        lfs_pointers: plan.git.lfs_skip_smudge,
        objects_at: OBJECTS.to_owned(),
        origin: origin(&repository),
        // One second back: an index entry that is younger than its index would be read again by every git command.
        mtime: clock::now().seconds() - 1,
    };
    tokio::task::spawn_blocking(move || {
        let objects = objects(store.git(), &repository, &checkout)?;
        Ok(Source {
            store,
            repository,
            checkout: Some(checkout),
            objects,
        })
    })
    .await
    .unwrap_or_else(|_| Err("Looking for the source failed inside assay.".to_owned()))
}

fn objects(
    git: &Git,
    repository: &Repository,
    checkout: &Checkout,
) -> Result<Vec<(PathBuf, String)>, String> {
    git.needs(repository, checkout)
        .map_err(|error| format!("The source cannot be laid out: {error}"))
}

fn origin(repository: &Repository) -> String {
    let assay_plan::Source::Path(path) = &repository.source;
    path.clone()
}

/// Why a sandbox did not get all of its files, in words for the log.
#[derive(Debug)]
pub(in crate::daemon) enum Unfed {
    /// There is something about the files.
    Source(String),
    /// The sandbox took no more; its own end says why, if there is more to say.
    Sandbox(String),
}

/// Blocking: writes the script and the work tree into the sandbox; the job starts when this is done.
pub(in crate::daemon) fn feed(
    mut tree: TreeWriter,
    source: &Source,
    plan: &JobPlan,
    cache: Option<&Archive>,
    over: Option<&WorkTree>,
) -> Result<(), Unfed> {
    let broke = |error: std::io::Error| {
        Unfed::Sandbox(format!(
            "The sandbox ended while its files were written: {error}"
        ))
    };
    let mtime = source
        .checkout
        .as_ref()
        .map_or_else(|| clock::now().seconds(), |checkout| checkout.mtime);
    tree.set_mtime(mtime).map_err(broke)?;
    if plan.wasm.is_none() {
        let script = format!("{HOME}/build.sh");
        tree.file(script.as_bytes(), true, plan.script.as_bytes())
            .map_err(broke)?;
    }
    if let Some(checkout) = &source.checkout {
        let hidden = |path: &[u8]| over.is_some_and(|over| over.hides(path));
        let mut ended = None;
        let mut sink = |item: TreeItem<'_>| match item {
            TreeItem::File { path, .. } | TreeItem::Link { path, .. } if hidden(path) => Ok(()),
            item => write(&mut tree, item).inspect_err(|error| ended = Some(error.kind())),
        };
        let laid = source
            .store
            .git()
            .lay_out(&source.repository, checkout, &mut sink);
        match (laid, ended) {
            (Ok(_), _) => {}
            (Err(_), Some(kind)) => return Err(broke(kind.into())),
            (Err(error), None) => {
                let words = format!("The source cannot be laid out: {error}");
                return Err(Unfed::Source(words));
            }
        }
        if let Some(over) = over {
            over.lay_over(&mut |item| write(&mut tree, item))
                .map_err(broke)?;
        }
    }
    match cache.map_or(Ok(()), |cache| kept::restore(&mut tree, cache)) {
        Ok(()) => tree.finish().map_err(broke),
        Err(Broken::Sandbox(error)) => Err(broke(error)),
        Err(Broken::Archive(error)) => Err(Unfed::Source(format!(
            "The job's cache is damaged ({error}) and has been removed: restart the job."
        ))),
    }
}

fn write(tree: &mut TreeWriter, item: TreeItem<'_>) -> std::io::Result<()> {
    match item {
        TreeItem::File {
            path,
            executable,
            content,
        } => tree.file(path, executable, content),
        TreeItem::Link { path, target } => tree.link(path, target),
        TreeItem::Folder { path } => tree.folder(path),
    }
}
