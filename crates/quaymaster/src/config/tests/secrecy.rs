//! What is not a secret's place never shows the secret (INV-7).

use super::read;

/// Mistakes around a secret: none may print it.
#[test]
fn no_problem_shows_a_secret() {
    let notifier = "kind = \"email\"\nto = [\"a@b\"]\nfrom = \"a@b\"\nhost = \"h\"\nuser = \"u\"\n";
    for line in [
        "password = \"hunter2\"",
        "password = hunter2",
        "password = [\"hunter2\"]",
        "password = { inline = \"hunter2\" }",
        "password = \"hunter2",
        "password = \"secret:hunter2 or not\"",
        "pasword = \"hunter2\"",
        "passphrase = \"hunter2\"",
        "smtp_token = \"hunter2\"",
        "password.value = \"hunter2\"",
    ] {
        let text = format!("node.data = \"data\"\n[notifier.sre]\n{notifier}{line}\n");
        let problems = read(&[("quaymaster.toml", &text)]).unwrap_err().join("\n");
        assert!(
            problems.contains("quaymaster.toml:8:"),
            "{line}: {problems}"
        );
        assert!(!problems.contains("hunter2"), "{line}: {problems}");
    }
    let inline =
        "node.data = \"d\"\nnotifier.n = { kind = \"email\", port = 0, password = \"hunter2\" }\n";
    let problems = read(&[("quaymaster.toml", inline)]).unwrap_err().join("\n");
    assert!(problems.contains("port: 0 is out of range"), "{problems}");
    assert!(!problems.contains("hunter2"), "{problems}");
}

#[test]
fn a_private_key_pasted_by_mistake_is_not_shown() {
    let account =
        "node.data = \"d\"\nbucket.b.url = \"file://b\"\n[partner.p.account.a]\nmailbox = \"b\"\n";
    for keys in [
        "ssh_keys = [\"MARK\\nhunter2\"]\n",
        "ssh_keys = [\"\"\"MARK\nhunter2\n\"\"\"]\n",
        "ssh_keys = [\"MARK\nhunter2\n\"]\n",
        "ssh_keys = \"MARK\\nhunter2\"\n",
    ] {
        let mark = concat!("-----BEGIN OPENSSH PRIVATE", " KEY-----");
        let text = format!("{account}{}", keys.replace("MARK", mark));
        let problems = read(&[("quaymaster.toml", &text)]).unwrap_err().join("\n");
        assert!(!problems.contains("hunter2"), "{problems}");
    }
}

/// A password that was pasted where its name belongs.
#[test]
fn no_problem_of_a_destination_or_the_ledger_shows_a_secret() {
    let sftp = "kind = \"sftp\"\nhost = \"h\"\nuser = \"u\"\n";
    for (table, line) in [
        (sftp, "private_key = \"hunter2\""),
        (sftp, "passphrase = \"hunter2\""),
        (sftp, "password = \"hunter2\""),
        (sftp, "proxy = \"socks5://me:hunter2@proxy.example:1080\""),
        (sftp, "proxy = \"ftp://me:hunter2@proxy.example:1080\""),
        (sftp, "proxy = [\"socks5://me:hunter2@proxy.example:1080\"]"),
        (sftp, "proxy_password = \"hunter2\""),
        (sftp, "secret_key = \"hunter2\""),
    ] {
        let text = format!("node.data = \"d\"\n[destination.x]\n{table}{line}\n");
        let problems = read(&[("quaymaster.toml", &text)]).unwrap_err().join("\n");
        assert!(
            problems.contains("quaymaster.toml:6:"),
            "{line}: {problems}"
        );
        assert!(!problems.contains("hunter2"), "{line}: {problems}");
    }
    for ledger in ["postgres://me:hunter2@db.example/quay", "mysql://hunter2"] {
        let text = format!("[node]\ndata = \"d\"\nledger = \"{ledger}\"\n");
        let problems = read(&[("quaymaster.toml", &text)]).unwrap_err().join("\n");
        assert!(problems.contains("put the connection string"), "{problems}");
        assert!(!problems.contains("hunter2"), "{problems}");
    }
}
