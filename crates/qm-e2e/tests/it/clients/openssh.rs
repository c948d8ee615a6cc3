//! OpenSSH's `sftp`.

use qm_e2e::{World, csv};
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crate::support::{Outcome, assert_content, staged, tree};

#[test]
fn foreign_sftp_puts_lists_gets_renames_and_removes() -> Outcome {
    let world = World::with_north()?;
    let table = csv(1, 300_000);
    world.write_local("a.csv", &table)?;
    let ran = world.sftp(
        "north",
        "pwd\nput a.csv\nls\nls -l\nget a.csv back.csv\nrename a.csv b.csv\nmkdir sub\n\
         put a.csv sub/c.csv\nls sub\nrm b.csv\n",
    )?;
    let said = ran.ok()?.stdout;
    assert!(said.contains("Remote working directory: /\n"), "{said}");
    let long = said
        .lines()
        .find(|line| line.starts_with("-r") && line.ends_with(" a.csv"));
    assert!(long.is_some_and(|line| line.contains(" 300000 ")), "{said}");
    assert_content(&world.local("back.csv"), &table);
    assert_eq!(
        tree(&world.bucket("north"))?,
        ["sub/".to_owned(), "sub/c.csv".to_owned()].into()
    );
    assert_content(&world.bucket("north/sub/c.csv"), &table);

    world.sftp("north", "rmdir sub\n")?.failed()?;
    world.sftp("north", "rm sub/c.csv\nrmdir sub\n")?.ok()?;
    assert!(tree(&world.bucket("north"))?.is_empty());
    assert_eq!(staged(&world)?, 0);
    Ok(())
}

#[test]
fn foreign_sftp_the_twenty_byte_readme_and_an_empty_file() -> Outcome {
    let mut world = World::with_north()?;
    world.deliver_everything();
    world.apply()?.ok()?;
    world.write_local("testfile.txt", "this is a test file\n")?;
    world.write_local("empty.flag", "")?;
    world
        .sftp(
            "north",
            "put testfile.txt\nput empty.flag\nget empty.flag back.flag\n",
        )?
        .ok()?;
    crate::support::wait_until_delivered(&world)?;
    assert_content(&world.share("north/testfile.txt"), b"this is a test file\n");
    assert_content(&world.share("north/empty.flag"), b"");
    assert_content(&world.local("back.flag"), b"");
    let arrivals = world.arrivals()?;
    assert_eq!(
        arrivals.column("OBJECT"),
        ["landing/north/empty.flag", "landing/north/testfile.txt"]
    );
    assert_eq!(arrivals.column("BYTES"), ["0", "20"]);
    Ok(())
}

#[test]
fn foreign_sftp_overwrites_with_shorter_and_longer() -> Outcome {
    let world = World::with_north()?;
    for (seed, size) in [(1, 5_000_u32), (2, 10), (3, 700_000), (4, 0), (5, 1)] {
        let table = csv(seed, size as usize);
        world.write_local("a.csv", &table)?;
        world.sftp("north", "put a.csv\n")?.ok()?;
        assert_content(&world.bucket("north/a.csv"), &table);
    }
    assert_eq!(world.arrivals()?.0.len(), 5);
    Ok(())
}

#[test]
fn foreign_sftp_keeps_times_and_permissions_with_p() -> Outcome {
    let world = World::with_north()?;
    let file = world.write_local("a.csv", "x\n")?;
    let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    fs::File::open(&file)?.set_modified(then)?;
    world
        .sftp("north", "put -p a.csv\nget -p a.csv back.csv\n")?
        .ok()?;
    assert_eq!(
        world.bucket("north/a.csv").metadata()?.mtime(),
        1_000_000_000
    );
    assert_eq!(world.local("back.csv").metadata()?.mtime(), 1_000_000_000);
    Ok(())
}

#[test]
fn foreign_sftp_recursive_put_and_get() -> Outcome {
    let world = World::with_north()?;
    for (index, name) in ["tree/a.csv", "tree/deep/er/b.csv", "tree/deep/c.csv"]
        .iter()
        .enumerate()
    {
        world.write_local(name, csv(index as u64, 1_000 * (index + 1)))?;
    }
    world
        .sftp("north", "put -r tree\nget -r tree back\n")?
        .ok()?;
    assert_eq!(
        tree(&world.bucket("north/tree"))?,
        tree(&world.local("tree"))?
    );
    assert_eq!(tree(&world.local("back"))?, tree(&world.local("tree"))?);
    assert_content(&world.local("back/deep/er/b.csv"), &csv(1, 2_000));
    Ok(())
}

#[test]
fn foreign_sftp_continues_what_is_there() -> Outcome {
    let world = World::with_north()?;
    let table = csv(1, 900_000);
    for command in ["reput", "put -a"] {
        world.write_local("a.csv", &table[..400_000])?;
        world.sftp("north", "put a.csv\n")?.ok()?;
        world.write_local("a.csv", &table)?;
        world.sftp("north", &format!("{command} a.csv\n"))?.ok()?;
        assert_content(&world.bucket("north/a.csv"), &table);
        world.sftp("north", "rm a.csv\n")?.ok()?;
    }
    world.write_local("a.csv", &table)?;
    world.sftp("north", "put a.csv\n")?.ok()?;
    world.write_local("half.csv", &table[..100_000])?;
    world.sftp("north", "reget a.csv half.csv\n")?.ok()?;
    assert_content(&world.local("half.csv"), &table);
    Ok(())
}

#[test]
fn foreign_sftp_shows_the_space_there_is() -> Outcome {
    let world = World::with_north()?;
    let said = world.sftp("north", "df\n")?.ok()?.stdout;
    let line = said.lines().last().unwrap_or_default();
    let numbers: Vec<u64> = line
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let [size, used, available, _of_root] = numbers[..] else {
        panic!("{said}")
    };
    assert!(size > 0 && used <= size && available <= size, "{said}");
    Ok(())
}

#[test]
fn foreign_sftp_names_are_kept_byte_for_byte() -> Outcome {
    let world = World::with_north()?;
    let names = [
        "with two  spaces.csv",
        "pr\u{fc}fung \u{2713}.csv",
        // As Mac clients send it: decomposed.
        "u\u{308}bersicht.csv",
        "-rf.csv",
        "a+b%20c&d;e'f.csv",
        "~north.csv",
        "日本語.csv",
    ];
    for (seed, name) in names.iter().enumerate() {
        let table = csv(seed as u64, 1_000);
        world.write_local(name, &table)?;
        world
            .sftp(
                "north",
                &format!("put \"./{name}\" \"./{name}\"\nget \"./{name}\" back.csv\n"),
            )?
            .ok()?;
        assert_content(&world.bucket("north").join(name), &table);
        assert_content(&world.local("back.csv"), &table);
    }
    let listed = world.sftp("north", "ls -1\n")?.ok()?.stdout;
    for name in names {
        assert!(
            listed.lines().any(|line| line == name),
            "{name} is not in {listed}"
        );
    }
    Ok(())
}

#[test]
fn foreign_sftp_rename_replaces_only_what_may_be_replaced() -> Outcome {
    let world = World::with_north()?;
    world.write_local("a.csv", "a\n")?;
    world.write_local("b.csv", "b\n")?;
    // OpenSSH asks for `posix-rename`, which replaces; `-l` asks for the plain one, which does not.
    world
        .sftp("north", "put a.csv\nput b.csv\nrename -l a.csv b.csv\n")?
        .failed()?;
    assert_content(&world.bucket("north/b.csv"), b"b\n");
    world.sftp("north", "rename a.csv b.csv\n")?.ok()?;
    assert_eq!(tree(&world.bucket("north"))?, ["b.csv".to_owned()].into());
    assert_content(&world.bucket("north/b.csv"), b"a\n");
    Ok(())
}

#[test]
fn foreign_sftp_what_is_not_there_is_said_to_be_not_there() -> Outcome {
    let world = World::with_north()?;
    world.write_local("a.csv", "a\n")?;
    for (command, answer) in [
        ("get absent.csv", "not found"),
        ("rm absent.csv", "No such file"),
        ("cd absent", "No such file"),
        ("put a.csv absent/a.csv", "No such file"),
        ("rename absent.csv b.csv", "No such file"),
        ("ln -s a.csv b.csv", "unsupported"),
    ] {
        let ran = world.sftp("north", &format!("{command}\n"))?.failed()?;
        assert!(
            ran.stderr.to_lowercase().contains(&answer.to_lowercase()),
            "{command}: {ran}"
        );
    }
    Ok(())
}

#[test]
fn foreign_sftp_rename_into_a_folder_that_is_not_there_is_refused_and_nothing_more() -> Outcome {
    let world = World::with_north()?;
    world.write_local("a.csv", "a\n")?;
    let refused = world
        .sftp("north", "put a.csv\nrename a.csv absent/b.csv\n")?
        .failed()?;
    assert!(refused.stderr.contains("No such file"), "{refused}");
    assert_content(&world.bucket("north/a.csv"), b"a\n");
    // It is a partner's slip, no fault of the node: nothing arrived, nobody is told.
    assert_eq!(world.arrivals()?.column("OBJECT"), ["landing/north/a.csv"]);
    assert!(world.alerts()?.0.is_empty(), "{:?}", world.alerts()?);
    Ok(())
}
