//! Configurations as short as the test that needs them.

use jiff::civil::Time;
use qm_core::account::{Account, MailboxRoot};
use qm_core::alarm::Alarms;
use qm_core::config::{
    AfterDelivery, BreakerPolicy, Bucket, BucketPlace, Config, Deliver, Destination,
    DestinationLimits, DestinationPlace, Directory, Email, LedgerPlace, Lookup, LookupPlace, Node,
    Notifier, OnFailure, Route, SecretStore, SftpListen, SmtpSecurity,
};
use qm_core::expectation::{Days, Expectation};
use qm_core::id::{
    AccountName, BucketName, DestinationName, ExpectationName, NotifierName, PartnerName, RouteName,
};
use qm_core::name::Prefix;
use qm_core::pattern::Pattern;
use qm_core::retry::RetryPolicy;
use qm_core::screen::Screen;
use qm_core::template::Template;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(crate) fn bucket(name: &str) -> BucketName {
    BucketName::parse(name).unwrap()
}

pub(crate) fn destination(name: &str) -> DestinationName {
    DestinationName::parse(name).unwrap()
}

pub(crate) fn notifier(name: &str) -> NotifierName {
    NotifierName::parse(name).unwrap()
}

/// A bucket `landing`, a notifier `ops` for the node's own alerts, and nothing else.
pub(crate) fn config() -> Config {
    let mut config = Config {
        node: Node {
            data: "/nowhere".into(),
            secrets: None,
            encryption_keys: "/nowhere".into(),
            alert: vec![notifier("ops")],
            partial_kept: Duration::from_hours(24),
            partial_alert_after: Duration::from_mins(30),
            dead_letters_alert: None,
            dead_letters_alert_after: None,
            undelivered_alert_after: None,
            dead_letters_kept: None,
            ledger: LedgerPlace::Sqlite,
            tags: BTreeMap::new(),
        },
        sftp: SftpListen {
            address: "127.0.0.1:0".parse().unwrap(),
            connections_max: 1,
            connections_per_account_max: 1,
            idle: Duration::from_mins(1),
            host_key: None,
        },
        buckets: BTreeMap::from([(
            bucket("landing"),
            Bucket {
                place: BucketPlace::Directory("/nowhere".into()),
                encryption_key: None,
                keep_versions: 0,
                keep_for: None,
                watch: None,
                is_shared: false,
            },
        )]),
        encryption_keys: BTreeMap::new(),
        accounts: BTreeMap::new(),
        expectations: BTreeMap::new(),
        notifiers: BTreeMap::new(),
        routes: BTreeMap::new(),
        destinations: BTreeMap::new(),
        declarations: BTreeMap::new(),
        texts: BTreeMap::new(),
    };
    add_notifier(&mut config, "ops");
    config
}

/// So many superseded and removed versions of a name are kept, so long at most.
pub(crate) fn keep(config: &mut Config, versions: u32, age: Option<Duration>) {
    let landing = config.buckets.get_mut(&bucket("landing")).unwrap();
    (landing.keep_versions, landing.keep_for) = (versions, age);
}

/// Four at a time, whenever it likes, and never left alone.
fn unlimited() -> DestinationLimits {
    DestinationLimits {
        concurrency: 4,
        bytes_per_second: None,
        closed: None,
        breaker: BreakerPolicy {
            failures: 1_000_000,
            pause: Duration::from_mins(1),
        },
    }
}

/// Also adds the destinations that the configuration lacks.
pub(crate) fn add_route<'a>(
    config: &'a mut Config,
    name: &str,
    arrives: &str,
    deliver: &[&str],
) -> &'a mut Route {
    for one in deliver {
        let added = Destination {
            place: DestinationPlace::Directory(Directory {
                folder: "/nowhere".into(),
                uid: None,
                gid: None,
                mode: 0o664,
                folder_mode: 0o770,
            }),
            name: None,
            strip: Prefix::default(),
            limits: unlimited(),
            alarms: Alarms::default(),
        };
        config.destinations.entry(destination(one)).or_insert(added);
    }
    let to = deliver.iter().map(|name| destination(name)).collect();
    add_route_of(config, name, arrives, Deliver::To(to))
}

/// A route that finds its destinations by the first folder, as `push/FOLDER`.
pub(crate) fn add_lookup<'a>(config: &'a mut Config, name: &str, arrives: &str) -> &'a mut Route {
    let lookup = Lookup {
        name: Template::parse("push/{path.0}").unwrap(),
        store: LookupPlace::Secrets(SecretStore::Node),
        require_tags: BTreeMap::new(),
        destinations: Vec::new(),
        limits: unlimited(),
    };
    add_route_of(config, name, arrives, Deliver::LookUp(lookup))
}

fn add_route_of<'a>(
    config: &'a mut Config,
    name: &str,
    arrives: &str,
    deliver: Deliver,
) -> &'a mut Route {
    let name = RouteName::parse(name).unwrap();
    config.routes.entry(name.clone()).or_insert_with(|| Route {
        name,
        arrives: Pattern::parse(arrives).unwrap(),
        deliver,
        screen: Screen::default(),
        retry: RetryPolicy::lambda(),
        max_age: None,
        on_failure: OnFailure::Block,
        min_size_bytes: 0,
        after: AfterDelivery::Keep,
        propagate: BTreeSet::new(),
        alert: vec![],
    })
}

/// The settings of a destination.
pub(crate) fn settings<'a>(config: &'a mut Config, name: &str) -> &'a mut Destination {
    config.destinations.get_mut(&destination(name)).unwrap()
}

/// How much a destination is given at a time.
pub(crate) fn limits<'a>(config: &'a mut Config, name: &str) -> &'a mut DestinationLimits {
    &mut settings(config, name).limits
}

pub(crate) fn add_notifier(config: &mut Config, name: &str) {
    config.notifiers.insert(
        notifier(name),
        Notifier::Email(Email {
            to: vec![format!("{name}@example.org")],
            from: "gate@example.org".to_owned(),
            host: "localhost".to_owned(),
            port: 25,
            security: SmtpSecurity::Plain,
            login: None,
            ca_file: None,
            retry: RetryPolicy::lambda(),
        }),
    );
}

/// An account with the folder of the same name as its mailbox.
pub(crate) fn add_account(config: &mut Config, name: &str) {
    let account = Account {
        name: AccountName::parse(name).unwrap(),
        partner: PartnerName::parse(name).unwrap(),
        ssh_keys: vec![],
        networks: vec![],
        mailbox: MailboxRoot {
            bucket: bucket("landing"),
            prefix: Prefix::parse(name).unwrap(),
        },
        home: Prefix::default(),
        may: BTreeSet::new(),
        types: None,
        temp_suffixes: vec![],
        declare: vec![],
    };
    config.accounts.insert(account.name.clone(), account);
}

/// Any non-empty file in the partner's folder by 17:00 in Dublin, told to `sre`.
pub(crate) fn add_expectation<'a>(
    config: &'a mut Config,
    partner: &str,
    on: &str,
) -> &'a mut Expectation {
    add_notifier(config, "sre");
    let name = ExpectationName::parse(partner).unwrap();
    config
        .expectations
        .entry(name.clone())
        .or_insert_with(|| Expectation {
            name,
            partner: PartnerName::parse(partner).unwrap(),
            files: Pattern::parse(&format!("landing/{partner}/*")).unwrap(),
            types: None,
            min_size_bytes: 1,
            due: Time::constant(17, 0, 0, 0),
            on: Days::parse(on).unwrap(),
            zone: "Europe/Dublin".to_owned(),
            grace: Duration::ZERO,
            alert: vec![notifier("sre")],
        })
}
