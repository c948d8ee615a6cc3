//! Partners' keys of every kind, and those that PuTTY converted.

use qm_e2e::{Algorithm, World};

use crate::support::{Outcome, assert_content};

#[test]
fn foreign_keys_of_every_kind_log_in() -> Outcome {
    let mut world = World::new()?;
    let kinds = [
        ("rsa", Algorithm::Rsa),
        ("ecdsa", Algorithm::Ecdsa),
        ("ed25519", Algorithm::Ed25519),
    ];
    for (name, algorithm) in kinds {
        let key = world.key_of(name, algorithm)?;
        world.configuration.account(name, &[&key.public_line]);
    }
    world.start()?;
    for (name, algorithm) in kinds {
        world.write_local("a.csv", name)?;
        world.sftp(name, "put a.csv\n")?.ok()?;
        assert_content(&world.bucket(format!("{name}/a.csv")), name.as_bytes());
        let converted = world.key_of(name, algorithm)?;
        world
            .psftp_with(name, &converted, "put a.csv b.csv\n")?
            .ok()?;
        assert_content(&world.bucket(format!("{name}/b.csv")), name.as_bytes());
    }
    Ok(())
}

#[test]
fn foreign_one_account_with_several_keys() -> Outcome {
    let mut world = World::new()?;
    let (old, new) = (world.key("old")?, world.key_of("new", Algorithm::Rsa)?);
    world
        .configuration
        .account("north", &[&old.public_line, &new.public_line]);
    world.start()?;
    world.sftp_with("north", &old, "pwd\n")?.ok()?;
    world.sftp_with("north", &new, "pwd\n")?.ok()?;
    Ok(())
}
