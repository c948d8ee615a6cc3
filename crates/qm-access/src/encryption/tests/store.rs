//! What the running node sees of what operators do.

use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::super::state::{ImportPurpose, StateChange};
use super::*;
use qm_core::Kind;
use qm_core::error::Retry;

#[tokio::test]
async fn a_missing_key_of_a_file_is_made_once_and_an_imported_one_never() {
    let house = House::new();
    assert!(said(&house.seal("made").await.unwrap_err()).contains("has no material here"));
    assert_eq!(house.store.create_missing().unwrap(), [name("made")]);
    assert_eq!(house.store.create_missing().unwrap(), []);
    let (key, envelope) = house.seal("made").await.unwrap();
    assert_eq!(house.open(&envelope).await.unwrap(), key);
    assert_eq!((envelope.generation, envelope.wrapping.len()), (1, 0));
    assert!(envelope.encode().is_ok());
    assert_eq!(
        house.seal("brought").await.unwrap_err().kind(),
        Kind::Unavailable
    );
}

#[tokio::test]
async fn after_a_rotation_the_new_generation_seals_and_the_old_one_opens() {
    let house = House::new();
    house.store.create_missing().unwrap();
    let (key, old) = house.seal("made").await.unwrap();
    house.operator.rotate(&name("made"), house.now()).unwrap();
    let (_, new) = house.seal("made").await.unwrap();
    assert_eq!(new.generation, 2);
    assert_eq!(house.open(&old).await.unwrap(), key);

    assert_eq!(house.store.rewrap(&new).await.unwrap(), None);
    let rewrapped = house.store.rewrap(&old).await.unwrap().unwrap();
    assert_eq!((rewrapped.generation, rewrapped.version), (2, old.version));
    house
        .operator
        .change(&name("made"), Some(1), StateChange::Destroy, house.now())
        .unwrap();
    assert_eq!(house.open(&rewrapped).await.unwrap(), key);
    assert!(said(&house.open(&old).await.unwrap_err()).contains("can never be read again"));
}

#[tokio::test]
async fn what_an_operator_changes_works_at_the_next_use() {
    let house = House::new();
    house.store.create_missing().unwrap();
    let (key, envelope) = house.seal("made").await.unwrap();
    let change = |change| {
        house
            .operator
            .change(&name("made"), None, change, house.now())
    };

    assert_eq!(change(StateChange::Disable).unwrap(), [1]);
    let error = house.open(&envelope).await.unwrap_err();
    assert_eq!(
        said(&error),
        "Unavailable: generation 1 of encryption key `made` is disabled"
    );
    assert_eq!(error.retry_verdict(), Retry::Later);
    assert_eq!(said(&house.seal("made").await.unwrap_err()), said(&error));

    change(StateChange::Enable).unwrap();
    assert_eq!(house.open(&envelope).await.unwrap(), key);

    assert_eq!(
        change(StateChange::DeleteMaterial).unwrap_err().kind(),
        Kind::Refused
    );
    change(StateChange::Destroy).unwrap();
    let error = house.open(&envelope).await.unwrap_err();
    assert_eq!(
        said(&error),
        "Unavailable: generation 1 of encryption key `made` was destroyed; what it sealed can never be read again"
    );
    assert_eq!(error.retry_verdict(), Retry::Never);
    assert!(!house.path.join("made/1.key").exists());
    assert!(change(StateChange::Enable).is_err());

    assert!(house.operator.create(&name("made"), house.now()).is_err());
    house.operator.rotate(&name("made"), house.now()).unwrap();
    assert_eq!(house.seal("made").await.unwrap().1.generation, 2);
}

#[tokio::test]
async fn material_that_may_not_be_used_leaves_memory_without_a_use() {
    let house = House::new();
    house.store.create_missing().unwrap();
    house.seal("made").await.unwrap();
    assert!(format!("{:?}", house.store.local).contains("1: ***"));
    house
        .operator
        .change(&name("made"), None, StateChange::Disable, house.now())
        .unwrap();
    house.store.tend().unwrap();
    assert!(!format!("{:?}", house.store.local).contains("1: ***"));
}

#[tokio::test]
async fn keys_of_another_configuration() {
    let house = House::new();
    house.store.create_missing().unwrap();
    let (_, envelope) = house.seal("made").await.unwrap();
    house
        .store
        .update(&[(name("made"), EncryptionKey::Imported)].into());
    assert!(
        said(&house.open(&envelope).await.unwrap_err())
            .contains("is `imported` in the configuration, but `file` is what lies here")
    );
    house.store.update(&[].into());
    assert!(
        said(&house.open(&envelope).await.unwrap_err()).contains("is not in the configuration")
    );
    assert!(
        house
            .operator
            .begin_import(&name("made"), ImportPurpose::Again, house.now())
            .is_err()
    );
}

#[tokio::test]
async fn an_envelope_names_no_file_outside() {
    let house = House::new();
    house.store.create_missing().unwrap();
    let (_, envelope) = house.seal("made").await.unwrap();
    let text = envelope
        .encode()
        .unwrap()
        .replace("\"made\"", "\"../made\"");
    let error = house
        .open(&Envelope::decode(&text).unwrap())
        .await
        .unwrap_err();
    assert!(said(&error).contains("is not in the configuration"));
}

#[tokio::test]
async fn lost_and_restored_folders_are_told() {
    let house = House::new();
    house.store.create_missing().unwrap();
    let (_, old) = house.seal("made").await.unwrap();
    let folder = house.path.join("made");
    let back_up = folder.with_extension("back-up");
    copy(&folder, &back_up);
    house.operator.rotate(&name("made"), house.now()).unwrap();
    let (_, new) = house.seal("made").await.unwrap();

    // An older back-up.
    fs::remove_dir_all(&folder).unwrap();
    copy(&back_up, &folder);
    assert!(house.open(&old).await.is_ok());
    assert!(said(&house.open(&new).await.unwrap_err()).contains("has no generation 2"));

    // A key made anew in place of a lost one.
    fs::remove_dir_all(&folder).unwrap();
    assert!(said(&house.open(&old).await.unwrap_err()).contains("has no material here"));
    house.store.create_missing().unwrap();
    let error = house.open(&old).await.unwrap_err();
    assert!(
        said(&error).contains("sealed with other key material"),
        "{error:?}"
    );

    // Material of another key, and none.
    let (_, envelope) = house.seal("made").await.unwrap();
    house.store.update(&[].into());
    let fresh = store(&house.path, &house.clock);
    for damage in [Some(vec![1; 32]), Some(vec![1; 31]), None] {
        match damage {
            Some(bytes) => fs::write(folder.join("1.key"), bytes).unwrap(),
            None => fs::remove_file(folder.join("1.key")).unwrap(),
        }
        let error = fresh.open(&envelope).await.unwrap_err();
        assert!(said(&error).contains("is lost or damaged"), "{error:?}");
    }
    fs::write(folder.join("key.json"), "{").unwrap();
    let error = fresh.open(&envelope).await.unwrap_err();
    assert!(said(&error).contains("is damaged"), "{error:?}");
}

#[tokio::test]
async fn keys_that_others_can_read_are_not_used() {
    let house = House::new();
    house.store.create_missing().unwrap();
    for name in ["made/key.json", "made/1.key"] {
        let path = house.path.join(name);
        let set = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let seal = async || {
            let fresh = store(&house.path, &house.clock);
            fresh.seal(&self::name("made"), version(1)).await
        };
        set(0o644);
        let error = seal().await.unwrap_err();
        assert!(said(&error).contains("others than the server"), "{error:?}");
        set(0o600);
        assert!(seal().await.is_ok());
    }
}

#[tokio::test]
async fn nothing_prints_material() {
    let house = House::new();
    house.store.create_missing().unwrap();
    let (key, envelope) = house.seal("made").await.unwrap();
    let material = fs::read(house.path.join("made/1.key")).unwrap();
    let mut other = envelope.clone();
    other.data_key[20] ^= 1;
    let planned = house
        .operator
        .plan(&name("made"), house.now(), |state| {
            Ok(super::super::folder::Edit {
                state: state.unwrap(),
                files: vec![(
                    "1.key".into(),
                    super::super::files::Content::new(material.clone()),
                )],
                outcome: (),
            })
        })
        .unwrap();
    let texts = [
        format!("{:?} {:?}", house.store.local, house.operator),
        format!("{planned:?}"),
        format!("{:?}", house.open(&other).await.unwrap_err()),
        format!("{envelope:?}{}", envelope.encode().unwrap()),
    ];
    for secret in [&material, &key.to_vec()] {
        for text in &texts {
            assert!(!text.contains(&hex::encode(secret)), "{text}");
            assert!(!text.contains(&format!("{secret:?}")), "{text}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn no_byte_of_an_envelope_can_be_changed(at: prop::sample::Index, flip in 1_u8..) {
        let house = House::new();
        house.store.create_missing().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (key, envelope) = house.seal("made").await.unwrap();
            let mut bytes = envelope.encode().unwrap().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            let changed = String::from_utf8(bytes)
                .ok()
                .and_then(|text| Envelope::decode(&text).ok());
            // Another way to write the same envelope is no change: `a` for `A` in hexadecimal.
            if let Some(changed) = changed.filter(|changed| *changed != envelope) {
                assert!(house.open(&changed).await.is_err(), "{changed:?}");
            }
            assert_eq!(house.open(&envelope).await.unwrap(), key);
        });
    }
}

#[tokio::test]
async fn each_byte_of_an_envelope_matters() {
    let house = House::new();
    house.store.create_missing().unwrap();
    let (_, envelope) = house.seal("made").await.unwrap();
    for at in 0..envelope.data_key.len() {
        let mut changed = envelope.clone();
        changed.data_key[at] ^= 1;
        assert_eq!(
            house.open(&changed).await.unwrap_err().kind(),
            Kind::Invalid,
            "{at}"
        );
    }
    let changes: [fn(&mut Envelope); 4] = [
        |envelope| envelope.version = version(2),
        |envelope| envelope.generation = 2,
        |envelope| envelope.encryption_key = name("brought"),
        |envelope| envelope.wrapping = vec![1],
    ];
    for change in changes {
        let mut changed = envelope.clone();
        change(&mut changed);
        assert!(house.open(&changed).await.is_err(), "{changed:?}");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
