//! Loads that are taken back.

use qm_core::config::LoadMode;

use super::scene::{File, Scene, counts, csv};
use super::{Ability, Case, Database, case};

pub(crate) const CASES: &[Case] = &[
    case!(appended_rows_go_again, Ability::AppendAndReplace),
    case!(replaced_rows_come_back, Ability::AppendAndReplace),
    case!(what_cannot_be_taken_back, Ability::AppendAndReplace),
];

async fn undo(scene: &Scene<'_>, file: &File) -> Result<String, String> {
    let undone = scene.connector().undo(&file.delivery).await;
    undone.map_err(|error| error.public_message().to_owned())
}

async fn appended_rows_go_again(database: &dyn Database) {
    let mut scene = Scene::appending(database, "undo_append");
    scene.table.undo = true;
    let (first, second) = (csv(1, "ID,Title\na,1\nb,2\n"), csv(2, "ID,Title\na,3\n"));
    scene.load(&first).await;
    scene.load(&second).await;
    let expect = [
        format!("a|{}", first.delivery.id),
        format!("a|{}", second.delivery.id),
        format!("b|{}", first.delivery.id),
    ];
    let mut found = scene.texts(&["ID", "delivery"]).await;
    found.sort();
    let mut expected = expect.to_vec();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(undo(&scene, &first).await.unwrap(), "2 rows were removed");
    assert_eq!(scene.texts(&["ID", "Title"]).await, ["a|3"]);
    let twice = undo(&scene, &first).await.unwrap_err();
    assert!(twice.contains("taken back already"), "{twice}");
    // Asked for again, it is loaded again.
    let load = scene.load(&first).await;
    assert_eq!(counts(load.counts), [2, 2, 0, 0, 0, 0]);
    assert_eq!(scene.texts(&["ID", "Title"]).await, ["a|1", "a|3", "b|2"]);
}

async fn replaced_rows_come_back(database: &dyn Database) {
    for (name, key) in [
        ("undo_replace", vec!["ID".to_owned()]),
        ("undo_replace_all", vec![]),
    ] {
        let mut scene = Scene::new(database, name);
        scene.table.mode = LoadMode::Replace;
        scene.table.undo = true;
        scene.table.key = key;
        let files = [
            csv(1, "ID,Title\na,1\nb,1\n"),
            csv(2, "ID,Title\nb,2\nc,2\n"),
            csv(3, "ID,Title\nd,3\n"),
        ];
        for file in &files {
            scene.load(file).await;
        }
        let early = undo(&scene, &files[1]).await.unwrap_err();
        assert!(early.contains("1 later loads"), "{early}");
        let said = undo(&scene, &files[2]).await.unwrap();
        assert_eq!(said, "1 rows were removed and the 2 before them put back");
        assert_eq!(scene.texts(&["ID", "Title"]).await, ["b|2", "c|2"]);
        let gone = undo(&scene, &files[1]).await.unwrap_err();
        assert!(gone.contains("nothing was kept"), "{gone}");
        assert_eq!(scene.texts(&["ID", "Title"]).await, ["b|2", "c|2"]);
    }
}

async fn what_cannot_be_taken_back(database: &dyn Database) {
    let mut scene = Scene::new(database, "undo_never");
    scene.table.undo = true;
    let merged = csv(1, "ID,Title\na,1\n");
    let said = undo(&scene, &merged).await.unwrap_err();
    assert!(said.contains("is not loaded"), "{said}");
    scene.load(&merged).await;
    let said = undo(&scene, &merged).await.unwrap_err();
    assert!(said.contains("merged by their key"), "{said}");
    scene.table.mode = LoadMode::Append;
    scene.table.undo = false;
    let unkept = csv(2, "ID,Title\nb,1\n");
    scene.load(&unkept).await;
    let said = undo(&scene, &unkept).await.unwrap_err();
    assert!(said.contains("nothing was kept"), "{said}");
    scene.table.mode = LoadMode::Replace;
    scene.table.undo = true;
    let empty = csv(3, "ID,Title\n");
    scene.load(&empty).await;
    let said = undo(&scene, &empty).await.unwrap_err();
    assert!(said.contains("changed nothing"), "{said}");
    assert_eq!(scene.texts(&["ID", "Title"]).await, ["a|1", "b|1"]);
}
