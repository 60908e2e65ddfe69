//! One script by hand, as a hostile author would try it: `try host|image|root none|egress|HOST,… SCRIPT`.

use std::process::ExitCode;

use assay_sandbox::Network;

use crate::image;
use crate::world::{self, Flavour, World, spec};

pub(crate) fn main(args: &[String]) -> ExitCode {
    let [flavour, network, script] = args else {
        println!("try host|image|root none|egress|HOST,… SCRIPT");
        return ExitCode::from(2);
    };
    match run(flavour, network, script) {
        Ok(code) => code,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(flavour: &str, network: &str, script: &str) -> Result<ExitCode, String> {
    let world = World::new()?;
    let flavour = match flavour {
        "host" => Flavour::Host,
        "root" => Flavour::Root,
        _ => Flavour::Image,
    };
    if flavour != Flavour::Host {
        let image = image::make(world.folder.path())?;
        world::set_flavour(flavour, Some(image));
    }
    let mut job = spec(script);
    job.network = match network {
        "none" => Network::None,
        "egress" => Network::Egress { hosts: vec![] },
        list => Network::Egress {
            hosts: list.split(',').map(str::to_owned).collect(),
        },
    };
    let done = world.run(job)?;
    print!("{}", done.output);
    println!("{:?} {:?} {:?}", done.outcome, done.usage, done.notices);
    Ok(ExitCode::SUCCESS)
}
