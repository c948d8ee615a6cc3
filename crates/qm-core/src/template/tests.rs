use super::*;
use crate::id::BucketName;
use crate::name::ObjectKey;
use proptest::prelude::*;

fn path(key: &str) -> ObjectPath {
    ObjectPath {
        bucket: BucketName::parse("staging").unwrap(),
        key: ObjectKey::parse(key).unwrap(),
    }
}

fn render(template: &str, key: &str, partner: Option<&str>) -> Result<String> {
    let partner = partner.map(|name| PartnerName::parse(name).unwrap());
    Template::parse(template)?.render(&Facts {
        path: &path(key),
        partner: partner.as_ref(),
        arrived_at: "2026-03-08T23:30:05Z".parse().unwrap(),
    })
}

#[track_caller]
fn check(template: &str, key: &str, expect: Result<&str, Kind>) {
    let rendered = render(template, key, Some("acme"));
    assert_eq!(
        rendered.as_deref().map_err(Error::kind),
        expect,
        "{template}"
    );
}

#[test]
fn every_placeholder() {
    let key = "acme/in/Report.2026.CSV";
    check("{name}", key, Ok("Report.2026.CSV"));
    check("{stem}", key, Ok("Report.2026"));
    check("{extension}", key, Ok("CSV"));
    check("{key}", key, Ok(key));
    check("{folder}/x", key, Ok("acme/in/x"));
    check("sftp/{path.0}", key, Ok("sftp/acme"));
    check("{path.1}{path.2}", key, Ok("inReport.2026.CSV"));
    check("{bucket}-{partner}", key, Ok("staging-acme"));
    check("{arrived:%Y-%m-%d}/{name}", "a.b", Ok("2026-03-08/a.b"));
    check("{arrived:%Y%m%dT%H%M%SZ}", key, Ok("20260308T233005Z"));
    check("{arrived@Europe/Rome:%Y-%m-%d}", key, Ok("2026-03-09"));
    check("{{{name}}}", "a", Ok("{a}"));
    check("{{name}}", "a", Ok("{name}"));
    check("plain, na\u{ef}ve", "a", Ok("plain, na\u{ef}ve"));
}

#[test]
fn names_without_an_extension() {
    for name in ["README", ".profile", "a."] {
        check("{stem}", name, Ok(name));
        check("{extension}", name, Err(Kind::Refused));
    }
}

#[test]
fn missing_facts() {
    check("{path.3}", "acme/in/a.csv", Err(Kind::Refused));
    check("{path.2}", "acme/in/a.csv", Ok("a.csv"));
    check("{folder}", "a.csv", Err(Kind::Refused));
    let nobody = render("{partner}", "a.csv", None);
    assert_eq!(nobody.unwrap_err().kind(), Kind::Refused);
}

#[test]
fn what_is_not_a_template() {
    for (template, names) in [
        ("", "1 to 1,024"),
        ("{}", "{}"),
        ("{nam}", "{nam}"),
        ("{Name}", "{Name}"),
        ("{path}", "{path}"),
        ("{path.-1}", "{path.-1}"),
        ("{path.100}", "{path.100}"),
        ("{arrived}", "{arrived}"),
        ("{arrived:}", "date format"),
        ("{arrived:%!}", "date format"),
        ("{arrived:%}", "date format"),
        ("{arrived@Mars/Base:%Y}", "Mars/Base"),
        ("{name", "brace"),
        ("name}", "brace"),
        ("{a{name}", "a{name"),
    ] {
        let error = Template::parse(template).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{template}");
        assert!(error.to_string().contains(names), "{template}: {error}");
    }
    let unknown = Template::parse("{nam}").unwrap_err();
    assert!(unknown.remedy().unwrap().contains("{name}"));
}

#[test]
fn a_revision_keeps_it_as_written() {
    let template = Template::parse("{arrived@UTC:%Y}/{{{name}").unwrap();
    let text = serde_json::to_string(&template).unwrap();
    assert_eq!(text, r#""{arrived@UTC:%Y}/{{{name}""#);
    assert_eq!(serde_json::from_str::<Template>(&text).unwrap(), template);
    assert!(serde_json::from_str::<Template>(r#""{nam}""#).is_err());
}

proptest! {
    #[test]
    fn any_text_parses_or_is_refused_and_then_renders(
        template in "([a/%.:@{}]|[{](name|stem|extension|key|folder|path[.][0-9]|partner|arrived:%[a-zA-Z%])[}]){0,6}",
        key in "[a-c./]{1,12}",
        seconds in -100_000_000_000_i64..100_000_000_000,
    ) {
        let (Ok(template), Ok(key)) = (Template::parse(&template), ObjectKey::parse(&key)) else {
            return Ok(());
        };
        let path = ObjectPath { bucket: BucketName::parse("b").unwrap(), key };
        let arrived_at = Timestamp::from_second(seconds).unwrap();
        let rendered = template.render(&Facts { path: &path, partner: None, arrived_at });
        let kind = rendered.map_err(|error| error.kind()).err();
        prop_assert!(matches!(kind, None | Some(Kind::Refused)), "{}", template);
    }

    #[test]
    fn text_without_braces_is_itself(text in "[^{}]{1,40}") {
        prop_assert_eq!(render(&text, "a", None).unwrap(), text);
    }
}
