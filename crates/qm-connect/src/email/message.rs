//! What is sent: headers that no text can add lines to, and a plain-text body.

use jiff::Timestamp;
use lettre::Message;
use lettre::address::Envelope;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Mailboxes, header};
use qm_core::alert::Notification;
use qm_core::{Error, Kind, Result};
use std::time::SystemTime;

/// Enough to tell nodes apart, short enough for one header line.
const SALT_BYTES_MAX: usize = 32;

/// Keeps vacation programs from answering (RFC 3834).
#[derive(Clone, Debug)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// Parses `ops@example.org` or `Operations <ops@example.org>`.
pub(super) fn parse_address(text: &str) -> Result<Mailbox> {
    text.parse()
        .map_err(|cause: lettre::address::AddressError| {
            Error::new(
                Kind::Invalid,
                format!("`{}` is not a mail address", text.escape_debug()),
            )
            .help("write it as `ops@example.org` or `Operations <ops@example.org>`")
            .source(cause)
        })
}

/// What of the node's salt can stand in a Message-ID.
pub(super) fn salt(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_alphanumeric)
        .take(SALT_BYTES_MAX)
        .collect()
}

/// From one sender to one recipient.
pub(super) fn envelope(from: &Mailbox, to: &Mailbox) -> Result<Envelope> {
    Envelope::new(Some(from.email.clone()), vec![to.email.clone()])
        .map_err(|cause| Error::new(Kind::Bug, "a message without recipient").source(cause))
}

/// The message; the same notification always gets the same Message-ID.
pub(super) fn compose(
    notification: &Notification,
    from: &Mailbox,
    to: &[Mailbox],
    salt: &str,
    now: Timestamp,
) -> Result<Message> {
    let recipients: Mailboxes = to.iter().cloned().collect();
    let message_id = format!(
        "<quaymaster-{salt}-{}@{}>",
        notification.id,
        from.email.domain()
    );
    Message::builder()
        .from(from.clone())
        .mailbox(header::To::from(recipients))
        .subject(one_line(&notification.text.subject))
        .date(SystemTime::from(now))
        .message_id(Some(message_id))
        .header(AutoSubmitted)
        .header(ContentType::TEXT_PLAIN)
        .body(notification.text.body.clone())
        .map_err(|cause| {
            Error::new(Kind::Invalid, "the message cannot be written as mail").source(cause)
        })
}

/// A line break or control character in a subject becomes a space, never a header.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use qm_core::alert::{NotificationState, Text};
    use qm_core::id::NotifierName;

    fn formatted(subject: &str, body: &str) -> String {
        let notification = Notification {
            id: 7,
            alert_key: "k".to_owned(),
            notifier: NotifierName::parse("sre").unwrap(),
            text: Text {
                subject: subject.to_owned(),
                body: body.to_owned(),
            },
            state: NotificationState::Waiting,
            attempts: 0,
            ready_at: Timestamp::UNIX_EPOCH,
            last_error: None,
        };
        let from = parse_address("Gateway <gate@example.org>").unwrap();
        let to = [
            parse_address("sre@example.org").unwrap(),
            parse_address("ops@example.org").unwrap(),
        ];
        let message = compose(&notification, &from, &to, "salt1", Timestamp::UNIX_EPOCH).unwrap();
        String::from_utf8(message.formatted()).unwrap()
    }

    #[test]
    fn headers_are_deterministic() {
        let text = formatted("No new files uploaded today", "body");
        for line in [
            "From: Gateway <gate@example.org>\r\n",
            "To: sre@example.org, ops@example.org\r\n",
            "Subject: No new files uploaded today\r\n",
            "Message-ID: <quaymaster-salt1-7@example.org>\r\n",
            "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n",
            "Auto-Submitted: auto-generated\r\n",
        ] {
            assert!(text.contains(line), "{line:?} missing in {text}");
        }
        assert_eq!(text, formatted("No new files uploaded today", "body"));
    }

    #[test]
    fn no_text_adds_a_header() {
        for subject in [
            "x\r\nBcc: thief@example.net",
            "x\nBcc: thief@example.net",
            "x\r\n\r\nBcc: thief@example.net",
            "é\r\nBcc: thief@example.net",
        ] {
            let text = formatted(subject, "body");
            let (head, _) = text.split_once("\r\n\r\n").unwrap();
            assert!(
                head.lines().all(|line| !line.starts_with("Bcc")),
                "{subject:?}: {head}"
            );
            assert_eq!(text.matches("\r\n\r\n").count(), 1);
        }
    }

    #[test]
    fn a_salt_keeps_only_letters_and_digits() {
        assert_eq!(salt("01J<\r\n>@Q-z"), "01JQz");
        assert_eq!(salt(&"x".repeat(99)).len(), SALT_BYTES_MAX);
    }

    #[test]
    fn addresses() {
        assert!(parse_address("sre@example.org").is_ok());
        assert!(parse_address("no address").is_err());
        assert!(parse_address("a@b\r\nBcc: c@d").is_err());
    }
}
