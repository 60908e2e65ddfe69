//! The attack table, run as jobs: each row is tried from inside and must fail, or be held, and an ordinary job must
//! pass afterwards. Runs as the present user, and from root once more as an ordinary user (`ASSAY_TEST_USER`, default
//! `assaytest`). Arguments choose rows by the beginning of their names; `bench` measures instead.
#![expect(
    clippy::print_stdout,
    reason = "a test program reports on standard output"
)]

mod bench;
mod egress;
mod files;
mod image;
mod images;
mod keep;
mod kernel;
mod network;
mod outside;
mod resources;
mod rows;
mod scratch;
mod second;
mod shares;
mod tryout;
mod typed;
mod weak;
mod world;

use std::process::ExitCode;

use world::{Case, Flavour, Needs, Verdict, World};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("launch") => assay_sandbox::launcher_main(),
        Some("daemon") => resources::daemon(&args.next().unwrap_or_default()),
        Some("scratch-daemon") => scratch::daemon(&args.next().unwrap_or_default()),
        Some("bench") => bench::main(),
        Some("outside") => outside::main(),
        Some("rows") => {
            rows::print(&cases());
            ExitCode::SUCCESS
        }
        Some("try") => tryout::main(&args.collect::<Vec<_>>()),
        first => {
            let chosen: Vec<String> = first.map(str::to_owned).into_iter().chain(args).collect();
            let chosen: Vec<String> = chosen
                .into_iter()
                .filter(|arg| !arg.starts_with('-'))
                .collect();
            outside::enter(&chosen).unwrap_or_else(|| tests(&chosen))
        }
    }
}

fn tests(chosen: &[String]) -> ExitCode {
    let outside = tempfile::tempdir()
        .map_err(|e| e.to_string())
        .and_then(
            |folder| match outside::exists() && rustix::process::geteuid().is_root() {
                true => outside::build(folder.path()).map(|outside| (Some(outside), folder)),
                false => Ok((None, folder)),
            },
        );
    let _outside = match outside {
        Ok(outside) => outside,
        Err(error) => {
            println!("FAIL set-up: {error}");
            println!("0 passed, 1 failed, 0 skipped");
            return ExitCode::FAILURE;
        }
    };
    let mut counts = run_here(chosen);
    if counts.who == "root" {
        counts.add(&second::as_user(chosen));
        // The other helper has to prove itself too.
        if outside::exists() && outside::hide_pasta() {
            println!("the rows of egress once more, by slirp4netns:");
            let egress: Vec<String> = egress::CASES
                .iter()
                .map(|case| case.name.to_owned())
                .filter(|name| {
                    chosen.is_empty() || chosen.iter().any(|begin| name.starts_with(begin.as_str()))
                })
                .collect();
            if !egress.is_empty() {
                counts.add(&run_here(&egress));
            }
        }
    }
    if std::env::var_os(second::CHILD).is_some() {
        println!(
            "{}{} {} {}",
            second::MARK,
            counts.passed,
            counts.failed,
            counts.skipped
        );
    } else {
        for line in rows::pending() {
            println!("pend {line}");
        }
        println!(
            "{} passed, {} failed, {} skipped",
            counts.passed, counts.failed, counts.skipped
        );
    }
    ExitCode::from(u8::from(counts.failed > 0))
}

/// What came of the cases.
#[derive(Default)]
pub(crate) struct Counts {
    who: String,
    passed: u32,
    failed: u32,
    skipped: u32,
}

impl Counts {
    fn add(&mut self, other: &Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

fn run_here(chosen: &[String]) -> Counts {
    let mut counts = Counts::default();
    let world = match World::new() {
        Ok(world) => world,
        Err(error) => {
            println!("FAIL set-up: {error}");
            return Counts {
                failed: 1,
                ..counts
            };
        }
    };
    counts.who.clone_from(&world.who);
    let all = cases();
    let wanted = |case: &&Case| {
        chosen.is_empty()
            || chosen
                .iter()
                .any(|begin| case.name.starts_with(begin.as_str()))
    };
    let image = match image::make(world.folder.path()) {
        Ok(image) => image,
        Err(error) => {
            println!("FAIL set-up: {error}");
            counts.failed += 1;
            return counts;
        }
    };
    for flavour in [Flavour::Host, Flavour::Image, Flavour::Root] {
        world::set_flavour(flavour, (flavour != Flavour::Host).then(|| image.clone()));
        let has_image = flavour != Flavour::Host;
        if flavour == Flavour::Root && !world.ranged {
            counts.skipped += 1;
            println!(
                "SKIP {:4} root  everything: no subordinate uids for this user",
                world.who
            );
            continue;
        }
        for case in all
            .iter()
            .filter(wanted)
            .filter(|case| has_image || case.needs != Needs::Image)
        {
            counts.count(&world.who, flavour.name(), case.name, || {
                world.try_case(case)
            });
        }
        if flavour == Flavour::Host {
            counts.weak(&world, chosen);
        }
    }
    counts
}

/// Every case there is.
fn cases() -> Vec<Case> {
    [
        TABLE,
        files::CASES,
        keep::CASES,
        typed::CASES,
        kernel::CASES,
        resources::CASES,
        shares::CASES,
        scratch::CASES,
        network::CASES,
        images::CASES,
        egress::CASES,
    ]
    .concat()
}

const TABLE: &[Case] = &[Case {
    name: "every row has its tests",
    needs: Needs::Nothing,
    run: |_| rows::check(&cases()),
}];

impl Counts {
    /// The weak twins. Once is enough: the other passes differ in the root's content and in rights, not in what the probes
    /// look for.
    fn weak(&mut self, world: &World, chosen: &[String]) {
        let wanted = |row: &str| {
            chosen.is_empty()
                || chosen
                    .iter()
                    .any(|begin| format!("W {row}").starts_with(begin.as_str()))
        };
        let bait = match weak::Bait::new(world) {
            Ok(bait) => bait,
            Err(error) => {
                return self.count(&world.who, "weak", "set-up", || Verdict::Failed(error));
            }
        };
        for twin in weak::WEAK.iter().filter(|twin| wanted(twin.row)) {
            if twin.is_tried() {
                self.count(&world.who, "weak", &format!("W {}", twin.row), || {
                    twin.try_it(world, &bait)
                });
            }
        }
    }

    fn count(&mut self, who: &str, where_to: &str, name: &str, run: impl FnOnce() -> Verdict) {
        let began = std::time::Instant::now();
        let verdict = run();
        let took = began.elapsed().as_millis();
        match verdict {
            Verdict::Passed => {
                self.passed += 1;
                println!("ok   {who:4} {where_to:5} {} ({took} ms)", name);
            }
            Verdict::Skipped(why) => {
                self.skipped += 1;
                println!("SKIP {who:4} {where_to:5} {}: {why}", name);
            }
            Verdict::Failed(why) => {
                self.failed += 1;
                println!("FAIL {who:4} {where_to:5} {}: {why}", name);
            }
        }
    }
}
