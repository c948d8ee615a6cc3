//! What a server may ask of us in a session: to look at its host key, and nothing else.

use parking_lot::Mutex;
use qm_core::Result;
use russh::Channel;
use russh::client::{self, ChannelOpenHandle, Msg, Session};
use russh::keys::PublicKeyOrCertificate;
use std::sync::Arc;

use super::host_keys::{Pins, fingerprint};

/// Believes pinned keys only, keeps in words what it saw, and refuses every channel that the server
/// opens: russh accepts them where nobody says otherwise, and each costs memory.
pub(super) struct HostKeyCheck {
    pins: Arc<Pins>,
    seen: Arc<Mutex<Option<String>>>,
}

impl HostKeyCheck {
    pub(super) fn new(pins: Arc<Pins>, seen: Arc<Mutex<Option<String>>>) -> Self {
        Self { pins, seen }
    }
}

/// A `reply` that is dropped refuses. Channels of unknown types and requests to forward are refused by
/// russh itself, and host keys that a server announces are not kept.
impl client::Handler for HostKeyCheck {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let (words, is_pinned) = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => (
                format!("{} {}", key.algorithm(), fingerprint(key)),
                self.pins.include(key),
            ),
            PublicKeyOrCertificate::Certificate(_) => ("a certificate".to_owned(), false),
        };
        *self.seen.lock() = Some(words);
        Ok(is_pinned)
    }

    async fn server_channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _host: &str,
        _port: u32,
        _originator: &str,
        _originator_port: u32,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _socket: &str,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _host: &str,
        _port: u32,
        _originator: &str,
        _originator_port: u32,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _socket: &str,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _channel: Channel<Msg>,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _channel: Channel<Msg>,
        _originator: &str,
        _originator_port: u32,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }
}
