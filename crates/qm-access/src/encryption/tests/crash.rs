//! A change that stops between any two of its steps leaves the key as it was or as it is to be;
//! what is left over is gone after the next change or the next look.

use std::collections::BTreeSet;
use std::fs;

use super::super::folder::{Edit, Planned};
use super::super::state::{GenerationState, KeyState, StateChange};
use super::*;

/// A change of the key `made`, which has one generation, as the operator would make it.
type Change = fn(&House) -> Result<Planned<()>>;

fn plan<T>(
    house: &House,
    edit: impl FnOnce(Option<KeyState>) -> Result<Edit<T>>,
) -> Result<Planned<T>> {
    house.operator.plan(&name("made"), house.now(), edit)
}

const CHANGES: [(&str, Change); 3] = [
    ("rotate", |house| {
        let edit = |state| super::super::folder::rotate(&name("made"), state, house.now());
        plan(house, |state| edit(state).map(without_outcome))
    }),
    ("destroy", |house| {
        let edit =
            |state| super::super::folder::set(&name("made"), state, None, StateChange::Destroy);
        plan(house, |state| edit(state).map(without_outcome))
    }),
    ("disable", |house| {
        let edit =
            |state| super::super::folder::set(&name("made"), state, None, StateChange::Disable);
        plan(house, |state| edit(state).map(without_outcome))
    }),
];

fn without_outcome<T>(edit: Edit<T>) -> Edit<()> {
    Edit {
        state: edit.state,
        files: edit.files,
        outcome: (),
    }
}

fn states(house: &House) -> Vec<GenerationState> {
    let keys = house.operator.list(house.now()).unwrap();
    keys[0].1.generations.iter().map(|g| g.state).collect()
}

fn files(house: &House) -> BTreeSet<String> {
    let folder = fs::read_dir(house.path.join("made")).unwrap();
    folder
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test]
async fn between_any_two_steps() {
    for (what, change) in CHANGES {
        let whole = House::new();
        whole.store.create_missing().unwrap();
        let before = states(&whole);
        let steps = change(&whole).unwrap().steps.len();
        change(&whole).unwrap().commit().unwrap();
        let after = states(&whole);
        assert_ne!(before, after, "{what}");

        for stop in 0..=steps {
            let house = House::new();
            house.store.create_missing().unwrap();
            let (key, envelope) = house.seal("made").await.unwrap();
            let planned = change(&house).unwrap();
            for step in &planned.steps[..stop] {
                step.run().unwrap();
            }
            drop(planned);
            // What the power took while the next file was written.
            fs::write(house.path.join("made/2.key.new"), "half").unwrap();

            let found = states(&house);
            assert!(
                found == before || found == after,
                "{what} {stop}: {found:?}"
            );
            let fresh = store(&house.path, &house.clock);
            for store in [&house.store, &fresh] {
                match found[0] {
                    GenerationState::Enabled => {
                        assert_eq!(*store.open(&envelope).await.unwrap().reveal(), key);
                        let (_, new) = store.seal(&name("made"), version(2)).await.unwrap();
                        assert_eq!(new.generation as usize, found.len());
                    }
                    GenerationState::Disabled
                    | GenerationState::Destroyed
                    | GenerationState::Missing => {
                        assert!(store.open(&envelope).await.is_err(), "{what} {stop}");
                    }
                }
            }

            fresh.tend().unwrap();
            assert_eq!(states(&house), found);
            let wanted = found
                .iter()
                .zip(1..)
                .filter(|(state, _)| state.has_material());
            let wanted: BTreeSet<String> = wanted
                .map(|(_, number)| format!("{number}.key"))
                .chain(["key.json".to_owned()])
                .collect();
            assert_eq!(files(&house), wanted, "{what} {stop}");

            // Again, as an operator whose command was cut off would.
            if found == before {
                change(&house).unwrap().commit().unwrap();
            }
            assert_eq!(states(&house), after, "{what} {stop}");
        }
    }
}

#[tokio::test]
async fn a_key_half_made_does_not_exist_and_is_made_again() {
    let whole = House::new();
    let create = |house: &House| {
        let edit = |state: Option<KeyState>| {
            super::super::folder::create(&name("made"), state.as_ref(), house.now())
        };
        plan(house, edit).unwrap()
    };
    let steps = create(&whole).steps.len();
    for stop in 0..steps {
        let house = House::new();
        let planned = create(&house);
        for step in &planned.steps[..stop] {
            step.run().unwrap();
        }
        drop(planned);
        assert!(
            house.operator.list(house.now()).unwrap().is_empty(),
            "{stop}"
        );
        assert!(house.seal("made").await.is_err());
        assert_eq!(house.store.create_missing().unwrap(), [name("made")]);
        assert!(house.seal("made").await.is_ok());
    }
}

/// Two commands at the same time: neither is lost.
#[test]
fn commands_do_not_interleave() {
    let house = House::new();
    house.store.create_missing().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    house.operator.rotate(&name("made"), house.now()).unwrap();
                }
            });
        }
    });
    let numbers: Vec<u32> = house.operator.list(house.now()).unwrap()[0]
        .1
        .generations
        .iter()
        .map(|generation| generation.number)
        .collect();
    assert_eq!(numbers, (1..=21).collect::<Vec<u32>>());
}
