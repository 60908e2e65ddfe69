//! Importing, refusing, verifying, removing; as the present user, from archives made here.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::*;

struct Place {
    folder: tempfile::TempDir,
    images: Images,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let launcher = Launcher {
        program: "/nonexistent".into(),
        args: vec![],
    };
    let images = Images::new(folder.path().join("images"), launcher);
    Place { folder, images }
}

/// A regular file, or with a target a link, for an archive.
fn add(builder: &mut tar::Builder<Vec<u8>>, kind: tar::EntryType, name: &[u8], content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o4755);
    header.set_uid(0);
    header.set_gid(42);
    header.set_mtime(1_000_000_000);
    let link = matches!(kind, tar::EntryType::Symlink | tar::EntryType::Link);
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    if link {
        header.as_old_mut().linkname[..content.len()].copy_from_slice(content);
    }
    let content = if link { b"" } else { content };
    header.set_size(content.len() as u64);
    header.set_cksum();
    builder.append(&header, content).unwrap();
}

/// Kind, name, content or target.
type Parts<'a> = &'a [(tar::EntryType, &'a [u8], &'a [u8])];

fn archive(entries: Parts<'_>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (kind, name, content) in entries {
        add(&mut builder, *kind, name, content);
    }
    builder.into_inner().unwrap()
}

use tar::EntryType::{Block, Char, Directory, Fifo, Link, Regular, Symlink};

fn good() -> Vec<u8> {
    archive(&[
        (Directory, b"./", b""),
        (Directory, b"./usr/", b""),
        (Regular, b"./usr/bin/sh", b"#!shell"),
        (Link, b"usr/bin/bash", b"./usr/bin/sh"),
        (Symlink, b"bin", b"usr/bin"),
        (Symlink, b"etc/out", b"/etc/../../../etc/passwd"),
        (Char, b"dev/null", b""),
        (Block, b"dev/vda", b""),
        (Fifo, b"dev/pipe", b""),
    ])
}

impl Place {
    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn import(&self, bytes: &[u8]) -> Result<About, ImageError> {
        let path = self.write("source", bytes);
        // Tests of the range need a launcher: they are among the attacks.
        self.images.import_as(Owners::alone(), "t", &path, 5)
    }

    fn is_clean(&self) -> bool {
        let folder = self.folder.path().join("images");
        std::fs::read_dir(folder)
            .unwrap()
            .all(|entry| entry.unwrap().file_name() == "names")
    }

    fn tree(&self, about: &About) -> PathBuf {
        self.images.path(&about.digest).join("tree")
    }
}

#[test]
fn every_compression_gives_the_same_image() {
    let place = place();
    let plain = good();
    let about = place.import(&plain).unwrap();
    assert_eq!((about.entries, about.skipped, about.bytes), (7, 3, 7));
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&plain).unwrap();
    let gz = gz.finish().unwrap();
    let zst = zstd::encode_all(plain.as_slice(), 1).unwrap();
    for bytes in [&gz, &zst] {
        assert_eq!(place.import(bytes).unwrap(), about);
    }
    let tree = place.tree(&about);
    assert_eq!(
        std::fs::read(tree.join("usr/bin/bash")).unwrap(),
        b"#!shell"
    );
    assert_eq!(
        std::fs::read_link(tree.join("bin")).unwrap(),
        Path::new("usr/bin")
    );
    let mode = std::os::unix::fs::MetadataExt::mode(&tree.join("usr/bin/sh").metadata().unwrap());
    assert_eq!(mode & 0o7777, 0o755, "never set-uid on the disk");
    // Cut off anywhere, it is an error and leaves nothing.
    place.images.remove("t").unwrap();
    assert!(place.is_clean());
    for cut in [20, gz.len() / 2, gz.len() - 3] {
        assert!(matches!(
            place.import(&gz[..cut]),
            Err(ImageError::Corrupt(_) | ImageError::Entry { .. })
        ));
    }
    for cut in [600, 1600, 2100] {
        let error = place.import(&plain[..cut]).unwrap_err();
        assert!(matches!(error, ImageError::Corrupt(_)), "{cut}: {error}");
    }
    assert!(matches!(
        place.import(b"just text"),
        Err(ImageError::Corrupt(_))
    ));
    assert!(matches!(place.import(b""), Err(ImageError::Corrupt(_))));
    assert!(place.is_clean());
}

#[test]
fn names_that_lead_out_are_refused() {
    let place = place();
    let outside = place.write("outside", b"before");
    let cases: [Parts<'_>; 9] = [
        &[(Regular, b"/etc/x", b"bad")],
        &[(Regular, b"../x", b"bad")],
        &[(Regular, b"a/../../x", b"bad")],
        &[(Symlink, b"a", b"/etc"), (Regular, b"a/passwd", b"bad")],
        &[(Symlink, b"a", b".."), (Regular, b"a/outside", b"bad")],
        &[(Link, b"a", b"../../outside")],
        &[(Link, b"a", b"/etc/passwd")],
        &[
            (Symlink, b"a", b"/etc/passwd"),
            (Regular, b"b/c", b""),
            (Link, b"x", b"a/../b/c"),
        ],
        &[(Directory, b"a", b""), (Link, b"b", b"a")],
    ];
    for case in cases {
        let error = place.import(&archive(case)).unwrap_err();
        assert!(
            matches!(error, ImageError::Entry { .. }),
            "{case:?}: {error}"
        );
        assert!(place.is_clean(), "{case:?}");
    }
    let deep = "d/".repeat(50);
    let many: Vec<String> = (0..5).map(|_| deep.clone()).collect();
    assert!(matches!(
        tree::plain(many.concat().as_bytes()),
        Err(ImageError::Entry { .. })
    ));
    assert_eq!(std::fs::read(outside).unwrap(), b"before");
    // A link over a file, and a file over a link, replace it: nothing is written through.
    let about = place
        .import(&archive(&[
            (Symlink, b"a", b"/etc/passwd"),
            (Regular, b"a", b"new"),
        ]))
        .unwrap();
    assert_eq!(std::fs::read(place.tree(&about).join("a")).unwrap(), b"new");
}

#[test]
fn verify_tells_what_has_changed() {
    let place = place();
    let about = place.import(&good()).unwrap();
    let tree = place.tree(&about);
    assert_eq!(place.images.verify("t").unwrap(), Vec::<String>::new());
    std::fs::write(tree.join("usr/bin/sh"), "#!sheLL").unwrap();
    std::fs::remove_file(tree.join("bin")).unwrap();
    std::fs::write(tree.join("usr/new"), "").unwrap();
    let mut told = place.images.verify("t").unwrap();
    told.sort();
    assert_eq!(
        told,
        [
            "bin is missing",
            "usr/bin/bash has changed",
            "usr/bin/sh has changed",
            "usr/new was not imported"
        ]
    );
    let manifest = place.images.path(&about.digest).join("manifest");
    std::fs::write(manifest, "d 755 0:0 x\n").unwrap();
    assert_eq!(place.images.verify("t").unwrap().len(), 1);
}

#[test]
fn names_share_an_image_and_it_stays_while_it_is_used() {
    let place = place();
    let about = place.import(&good()).unwrap();
    let path = place.folder.path().join("source");
    let again = place
        .images
        .import_as(Owners::alone(), "u-2", &path, 9)
        .unwrap();
    assert_eq!(again.digest, about.digest);
    assert_eq!(
        place.images.list().unwrap().keys().collect::<Vec<_>>(),
        ["t", "u-2"]
    );
    place.images.remove("t").unwrap();
    assert!(matches!(
        place.images.find("t"),
        Err(ImageError::Unknown(_))
    ));
    let held = place.images.find("u-2").unwrap();
    assert!(matches!(
        place.images.remove("u-2"),
        Err(ImageError::InUse(_))
    ));
    assert!(place.images.find("u-2").is_ok());
    drop(held);
    place.images.remove("u-2").unwrap();
    assert!(place.is_clean() && place.images.list().unwrap().is_empty());
    for name in ["", "A", "../x", ".x", "a/b", "-a"] {
        assert!(
            matches!(place.images.find(name), Err(ImageError::Name(_))),
            "{name}"
        );
    }
}

#[test]
fn a_folder_is_copied_without_what_is_special() {
    let place = place();
    let root = place.folder.path().join("root");
    std::fs::create_dir_all(root.join("usr/bin")).unwrap();
    std::fs::write(root.join("usr/bin/sh"), "x").unwrap();
    std::fs::hard_link(root.join("usr/bin/sh"), root.join("usr/bin/bash")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", root.join("usr/out")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("usr/socket")).unwrap();
    let about = place
        .images
        .import_as(Owners::alone(), "t", &root, 5)
        .unwrap();
    assert_eq!((about.entries, about.skipped), (5, 1));
    assert!(place.tree(&about).join("usr/out").is_symlink());
    let empty = place.folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    for wrong in [
        &empty,
        &place.folder.path().join("missing"),
        Path::new("/dev/null"),
    ] {
        let error = place
            .images
            .import_as(Owners::alone(), "t", wrong, 5)
            .unwrap_err();
        assert!(matches!(error, ImageError::Source { .. }), "{error}");
    }
}

/// Puts a blob into a layout; returns its digest.
fn blob(layout: &Path, bytes: &[u8]) -> String {
    use sha2::Digest;
    let hash = manifest::hex(&sha2::Sha256::digest(bytes).into());
    std::fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    std::fs::write(layout.join("blobs/sha256").join(&hash), bytes).unwrap();
    format!("sha256:{hash}")
}

fn layout(place: &Place, layers: &[Vec<u8>]) -> (PathBuf, Vec<String>) {
    let path = place.folder.path().join("layout");
    let digests: Vec<String> = layers.iter().map(|layer| blob(&path, layer)).collect();
    let list: Vec<String> = digests
        .iter()
        .map(|digest| format!(r#"{{"digest":"{digest}"}}"#))
        .collect();
    let manifest = blob(
        &path,
        format!(r#"{{"layers":[{}]}}"#, list.join(",")).as_bytes(),
    );
    let index =
        format!(r#"{{"manifests":[{{"digest":"{manifest}","mediaType":"x.manifest.v1+json"}}]}}"#);
    std::fs::write(path.join("index.json"), index).unwrap();
    std::fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    (path, digests)
}

#[test]
fn layers_take_away_what_lies_below() {
    let place = place();
    let below = archive(&[
        (Regular, b"usr/a", b"a"),
        (Regular, b"usr/b", b"b"),
        (Regular, b"opt/old/x", b"x"),
        (Regular, b"opt/y", b"y"),
    ]);
    let above = archive(&[
        (Regular, b"usr/.wh.a", b""),
        (Regular, b"opt/new", b"n"),
        (Regular, b"opt/.wh..wh..opq", b""),
        (Regular, b"usr/b", b"B"),
    ]);
    let (path, digests) = layout(&place, &[below, above]);
    let about = place
        .images
        .import_as(Owners::alone(), "t", &path, 5)
        .unwrap();
    let text = std::fs::read_to_string(place.images.path(&about.digest).join("manifest")).unwrap();
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(' ').nth(3))
        .collect();
    assert_eq!(names, ["opt", "opt/new", "usr", "usr/b"]);
    assert_eq!(
        std::fs::read(place.tree(&about).join("usr/b")).unwrap(),
        b"B"
    );
    // A blob that isn't what its digest says.
    let hash = digests[0].strip_prefix("sha256:").unwrap();
    std::fs::write(path.join("blobs/sha256").join(hash), b"other").unwrap();
    let error = place
        .images
        .import_as(Owners::alone(), "v", &path, 5)
        .unwrap_err();
    assert!(
        error.to_string().contains("doesn't match its digest"),
        "{error}"
    );
    std::fs::write(
        path.join("index.json"),
        r#"{"manifests":[{"digest":"sha256:../../x"}]}"#,
    )
    .unwrap();
    let error = place
        .images
        .import_as(Owners::alone(), "v", &path, 5)
        .unwrap_err();
    assert!(matches!(error, ImageError::Corrupt(_)), "{error}");
}

#[test]
fn a_cut_off_import_is_cleared_away() {
    let place = place();
    let about = place.import(&good()).unwrap();
    let stale = place.folder.path().join("images/tmp-1-1/tree/usr");
    std::fs::create_dir_all(stale).unwrap();
    assert_eq!(place.import(&good()).unwrap(), about);
    assert!(!place.folder.path().join("images/tmp-1-1").exists());
}

/// An archive whose second entry has this extension before it.
fn extended(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    add(&mut builder, Regular, b"usr/first", b"1");
    add(&mut builder, tar::EntryType::new(kind), b"extension", body);
    add(&mut builder, Regular, b"usr/second", b"2");
    builder.into_inner().unwrap()
}

/// One record of a pax header.
fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let length = (1..).find(|length: &usize| length.to_string().len() + rest.len() == *length);
    format!("{}{rest}", length.unwrap()).into_bytes()
}

#[test]
fn extensions_lead_out_no_more_than_names_do() {
    let place = place();
    let outside = place.write("outside", b"before");
    let out = outside.to_str().unwrap();
    for (kind, body) in [
        (b'x', record("path", out)),
        (b'x', record("path", "../../outside")),
        (b'x', record("path", "usr/a\0b")),
        (b'x', record("size", "9223372036854775807")),
        (b'x', record("size", "18446744073709551615")),
        (b'L', format!("{out}\0").into_bytes()),
        (b'L', b"a/../../outside\0".to_vec()),
        (b'L', vec![b'a'; 5000]),
    ] {
        let refused = place.import(&extended(kind, &body));
        assert!(refused.is_err(), "{:?}", body.escape_ascii().to_string());
        assert!(place.is_clean());
    }
    let good = place
        .import(&extended(b'x', &record("path", "usr/other")))
        .unwrap();
    assert!(place.tree(&good).join("usr/other").is_file());
    assert_eq!(std::fs::read(outside).unwrap(), b"before");
}

#[test]
fn headers_are_not_read_into_memory_without_end() {
    let place = place();
    for kind in [b'L', b'K', b'x'] {
        let error = place
            .import(&extended(kind, &vec![b'a'; 5 << 20]))
            .unwrap_err();
        assert!(error.to_string().contains("4 MiB"), "{error}");
    }
    // As much content as an entry may have is no header.
    let big = vec![b'x'; 9 << 20];
    let content = archive(&[
        (Regular, b"a", &big),
        (Fifo, b"b", &big),
        (Regular, b"c", b""),
    ]);
    assert_eq!(place.import(&content).unwrap().entries, 2);
}

#[test]
fn a_damaged_header_says_nothing_to_the_terminal() {
    let place = place();
    for field in [100..108, 124..136, 148..156] {
        let mut bytes = archive(&[(Regular, b"a\x1b]0;b\x07\x1b[31m", b"")]);
        bytes[field.clone()].fill(b'Z');
        bytes[field.start] = 0x1b;
        if field.start < 148 {
            bytes[148..156].fill(b' ');
            let sum: u32 = bytes[..512].iter().map(|byte| u32::from(*byte)).sum();
            bytes[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        }
        let error = place.import(&bytes).unwrap_err().to_string();
        assert!(!error.contains(char::is_control), "{error:?}");
        assert!(error.len() < 1000, "{error}");
    }
    let error = place
        .import(&archive(&[(Regular, b"../\x1b[2J", b"")]))
        .unwrap_err();
    assert_eq!(error.to_string(), r#"file "../\x1b[2J" climbs"#);
}

#[test]
fn a_damaged_image_hides_no_other_and_can_be_removed_or_imported_again() {
    let place = place();
    let about = place.import(&good()).unwrap();
    let path = place.folder.path().join("source");
    std::fs::write(&path, archive(&[(Regular, b"usr/x", b"x")])).unwrap();
    let import = |name| place.images.import_as(Owners::alone(), name, &path, 5);
    let other = import("other").unwrap();
    let about_file = place.images.path(&about.digest).join("about.json");
    for damage in ["", "{}"] {
        std::fs::write(&about_file, damage).unwrap();
        assert!(matches!(
            place.images.find("t"),
            Err(ImageError::Damaged(_))
        ));
        assert!(matches!(
            place.images.verify("t"),
            Err(ImageError::Damaged(_))
        ));
        let list = place.images.list().unwrap();
        assert!(list["t"].is_err() && list["other"].as_ref().unwrap() == &other);
        place.import(&good()).unwrap();
        assert!(place.images.find("t").is_ok());
    }
    std::fs::remove_file(&about_file).unwrap();
    place.images.remove("t").unwrap();
    // A name that leads elsewhere is no digest.
    let names = place.folder.path().join("images/names");
    std::fs::write(names.join("t"), "../../outside").unwrap();
    assert!(matches!(
        place.images.find("t"),
        Err(ImageError::Damaged(_))
    ));
    assert_eq!(place.images.remove("t").unwrap(), None);
    place.images.remove("other").unwrap();
    assert!(place.is_clean());
}

#[test]
fn importing_again_mends_the_files_and_leaves_nothing_of_what_the_name_meant() {
    let place = place();
    let first = place.import(&good()).unwrap();
    std::fs::write(place.tree(&first).join("usr/bin/sh"), "other").unwrap();
    place.import(&good()).unwrap();
    assert_eq!(place.images.verify("t").unwrap(), Vec::<String>::new());
    let held = place.images.find("t").unwrap();
    let new = place
        .import(&archive(&[(Regular, b"usr/x", b"x")]))
        .unwrap();
    assert!(place.tree(&first).is_dir(), "a run uses it");
    drop(held);
    place
        .import(&archive(&[(Regular, b"usr/y", b"y")]))
        .unwrap();
    assert!(!place.tree(&first).exists() && !place.tree(&new).exists());
    place.images.remove("t").unwrap();
    assert!(place.is_clean());
}

#[test]
fn imports_and_removals_at_once_leave_names_that_mean_something() {
    let place = place();
    let sources: Vec<PathBuf> = (0..4_u8)
        .map(|number| {
            place.write(
                &format!("s{number}"),
                &archive(&[(Regular, b"f", &[number])]),
            )
        })
        .collect();
    std::thread::scope(|scope| {
        for (number, source) in sources.iter().enumerate() {
            let images = &place.images;
            scope.spawn(move || {
                for round in 0..10 {
                    let name = ["a", "b"][(number + round) % 2];
                    images.import_as(Owners::alone(), name, source, 5).unwrap();
                    match images.remove(["a", "b"][round % 2]) {
                        Ok(_) | Err(ImageError::Unknown(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    for (name, about) in place.images.list().unwrap() {
        assert!(about.is_ok(), "{name}");
        place.images.remove(&name).unwrap();
    }
    assert!(place.is_clean());
}
