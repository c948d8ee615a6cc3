#[test]
fn dump() {
    let text = include_str!("mistakes.toml");
    for p in super::read(&[("quaymaster.toml", text)]).unwrap_err() {
        println!("{p}\n");
    }
}
