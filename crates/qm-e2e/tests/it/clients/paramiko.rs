//! paramiko: pipelined and out-of-order writes, and requests that no other client makes.

use qm_e2e::{World, csv, digest};
use serde_json::json;

use crate::support::{Outcome, assert_content, tree};

#[test]
fn foreign_paramiko_puts_and_confirms() -> Outcome {
    let world = World::with_north()?;
    let table = csv(1, 2_000_000);
    world.write_local("a.csv", &table)?;
    let mut session = world.paramiko("north")?;
    let size = session.run("result = sftp.put('a.csv', '/a.csv', confirm=True).st_size")?;
    assert_eq!(size, json!(2_000_000));
    assert_content(&world.bucket("north/a.csv"), &table);
    let got = session.run("result = digest(download(sftp, 'a.csv'))")?;
    assert_eq!(got, json!(digest(&table)));
    let renamed = session.run(
        "
        sftp.put('a.csv', 'b.csv')
        result = [status_of(lambda: sftp.rename('a.csv', 'b.csv'))[0]]
        sftp.posix_rename('a.csv', 'b.csv')
        result.append(sftp.listdir('.'))
        ",
    )?;
    assert_eq!(renamed, json!(["failure", ["b.csv"]]));
    Ok(())
}

#[test]
fn foreign_paramiko_attributes() -> Outcome {
    let world = World::with_north()?;
    let mut session = world.paramiko("north")?;
    let found = session.run(
        "
        upload(sftp, 'a.csv', b'x' * 77)
        sftp.utime('a.csv', (1000000000, 1000000000))
        sftp.chmod('a.csv', 0o600)
        sftp.chown('a.csv', 12345, 12345)
        sftp.mkdir('sub')
        one = sftp.stat('a.csv')
        listed = {a.filename: a for a in sftp.listdir_attr('.')}
        import stat
        result = [one.st_size, one.st_mtime, stat.S_ISREG(one.st_mode), one.st_mode & 0o777,
                  sorted(listed), listed['a.csv'].st_size, listed['a.csv'].st_mtime,
                  stat.S_ISDIR(listed['sub'].st_mode), stat.S_ISDIR(sftp.stat('/').st_mode),
                  status_of(lambda: sftp.utime('absent.csv', (1, 1)))[0]]
        ",
    )?;
    assert_eq!(
        found,
        json!([
            77,
            1_000_000_000,
            true,
            0o600,
            ["a.csv", "sub"],
            77,
            1_000_000_000,
            true,
            true,
            "no such file"
        ])
    );
    Ok(())
}

#[test]
fn foreign_paramiko_writes_out_of_order() -> Outcome {
    let world = World::with_north()?;
    let table = csv(7, 3_000_000);
    world.write_local("a.csv", &table)?;
    let mut session = world.paramiko("north")?;
    session.run(
        "
        import random
        data = open('a.csv', 'rb').read()
        pieces = [(o, data[o:o + 10007]) for o in range(0, len(data), 10007)]
        random.Random(1).shuffle(pieces)
        # The first decides what becomes of a file that is there; none is.
        handle = open_handle(sftp, 'b.csv', SFTP_FLAG_WRITE | SFTP_FLAG_CREATE)
        numbers = [send(sftp, handle, o, piece) for o, piece in pieces + pieces[:20]]
        for number in numbers:
            sftp._read_response(number)
        request(sftp, CMD_CLOSE, handle)
        ",
    )?;
    assert_content(&world.bucket("north/b.csv"), &table);
    Ok(())
}

#[test]
fn foreign_paramiko_a_file_with_a_hole_is_refused() -> Outcome {
    let world = World::with_north()?;
    let mut session = world.paramiko("north")?;
    let status = session.run(
        "
        handle = open_handle(sftp, 'a.csv', SFTP_FLAG_WRITE | SFTP_FLAG_CREATE | SFTP_FLAG_TRUNC)
        for number in [send(sftp, handle, 0, b'head'), send(sftp, handle, 5000, b'tail')]:
            sftp._read_response(number)
        result = status_of(lambda: request(sftp, CMD_CLOSE, handle))
        ",
    )?;
    assert_eq!(status[0], json!("failure"));
    assert!(tree(&world.bucket("north"))?.is_empty());
    assert!(world.arrivals()?.0.is_empty());
    Ok(())
}

#[test]
fn foreign_paramiko_many_sessions_and_handles_at_once() -> Outcome {
    let world = World::with_north()?;
    let mut session = world.paramiko("north")?;
    session.run(
        "
        from concurrent.futures import ThreadPoolExecutor
        def work(number):
            mine = connect()
            for index in range(5):
                upload(mine, f'{number}-{index}.csv', f'{number},{index}\\n'.encode() * 5000)
            mine.ssh.close()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        handles = [open_handle(sftp, f'h{n}.csv', SFTP_FLAG_WRITE | SFTP_FLAG_CREATE) for n in range(16)]
        for n, handle in enumerate(handles):
            sftp._read_response(send(sftp, handle, 0, str(n).encode()))
        for handle in reversed(handles):
            request(sftp, CMD_CLOSE, handle)
        ",
    )?;
    for number in 0..8 {
        for index in 0..5 {
            let content = format!("{number},{index}\n").repeat(5000);
            assert_content(
                &world.bucket(format!("north/{number}-{index}.csv")),
                content.as_bytes(),
            );
        }
    }
    for number in 0..16 {
        assert_content(
            &world.bucket(format!("north/h{number}.csv")),
            number.to_string().as_bytes(),
        );
    }
    assert_eq!(world.arrivals()?.0.len(), 56);
    Ok(())
}

/// WinSCP's and rclone's habit: what follows CLOSE is sent before CLOSE is answered.
#[test]
fn foreign_paramiko_requests_behind_an_unanswered_close() -> Outcome {
    let world = World::with_north()?;
    let mut session = world.paramiko("north")?;
    let mtime = session.run(
        "
        handle = open_handle(sftp, 'a.csv', SFTP_FLAG_WRITE | SFTP_FLAG_CREATE | SFTP_FLAG_TRUNC)
        times = SFTPAttributes()
        times._flags = times.FLAG_AMTIME
        times.st_atime = times.st_mtime = 1000000000
        numbers = [send(sftp, handle, 0, b'x' * 30000)]
        ask = lambda *parts: numbers.append(sftp._async_request(type(None), *parts))
        ask(CMD_CLOSE, handle)
        ask(CMD_SETSTAT, b'a.csv', times)
        ask(CMD_RENAME, b'a.csv', b'b.csv')
        for number in numbers:
            sftp._read_response(number)
        result = sftp.stat('b.csv').st_mtime
        ",
    )?;
    assert_eq!(mtime, json!(1_000_000_000));
    assert_eq!(tree(&world.bucket("north"))?, ["b.csv".to_owned()].into());
    Ok(())
}
