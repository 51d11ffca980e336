//! One HTTP exchange with the endpoint, over TLS unless it is on this machine.
//!
//! No redirect is followed: it would carry the key to another place. Proxies of the
//! environment are used for https alone, which passes through them unread. A connection
//! may take 10 s, an exchange 120 s, a reply 1 MiB.

use std::{error::Error, io, sync::Arc, time::Duration};

use reqwest::{
    Client, RequestBuilder,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use rustls::{ClientConfig, RootCertStore, crypto::ring::default_provider};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::runtime::{Builder, Runtime};

use super::{Config, Failure, Key, Response, SendError, Transport, config::is_loopback};

/// Bytes of a reply; a plan for a hundred ops takes 30 KiB.
pub const MAX_REPLY_BYTES: usize = 1 << 20;

/// How long an exchange may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until there is a connection.
    pub connect: Duration,
    /// Until the reply's last byte.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            total: Duration::from_secs(120),
        }
    }
}

/// The client of one endpoint.
#[derive(Debug)]
pub struct Http {
    runtime: Runtime,
    client: Client,
    config: Config,
    timeouts: Timeouts,
}

impl Http {
    /// A client for the configured endpoint. Nothing is sent.
    pub fn new(config: &Config, timeouts: Timeouts) -> Result<Self, SendError> {
        let broken = |error: &dyn Error| SendError {
            kind: Failure::Broken,
            message: format!("no HTTP client can be made: {}", innermost(error)),
        };
        let runtime = Builder::new_current_thread().enable_all().build();
        let secure = config.url.scheme() == "https";
        let mut client = Client::builder()
            .tls_backend_preconfigured(tls(secure)?)
            .redirect(Policy::none())
            .referer(false)
            .https_only(secure)
            .connect_timeout(timeouts.connect)
            // A kept connection may be closed by the time of the next plan.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("kforge/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&config.url) {
            client = client.no_proxy();
        }
        Ok(Self {
            runtime: runtime.map_err(|error| broken(&error))?,
            client: client.build().map_err(|error| broken(&error))?,
            config: config.clone(),
            timeouts,
        })
    }

    fn request(&self, body: &str) -> Result<RequestBuilder, SendError> {
        let request = self
            .client
            .post(self.config.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .body(body.to_owned());
        let Some(key) = &self.config.key else {
            return Ok(request);
        };
        Ok(request.header(AUTHORIZATION, bearer(key)?))
    }

    fn failed(&self, error: reqwest::Error) -> SendError {
        let kind = match () {
            () if is_tls(&error) => Failure::Tls,
            () if error.is_timeout() => return self.late(error.is_connect()),
            () if error.is_connect() => Failure::Connect,
            () => Failure::Broken,
        };
        let what = match kind {
            Failure::Tls => "has no connection that can be trusted",
            Failure::Connect => "cannot be reached",
            _ => "broke off or spoke no HTTP",
        };
        let cause = self.config.hide(&innermost(&error));
        self.error(kind, &format!("{what}: {cause}"))
    }

    fn late(&self, connecting: bool) -> SendError {
        let (limit, what) = match connecting {
            true => (self.timeouts.connect, "gave no connection"),
            false => (self.timeouts.total, "gave no whole answer"),
        };
        let message = format!("{what} within {} s", limit.as_secs_f64());
        self.error(Failure::Timeout, &message)
    }

    fn error(&self, kind: Failure, message: &str) -> SendError {
        let host = self.config.url.host_str().unwrap_or_default();
        SendError {
            kind,
            message: format!("{host} {message}"),
        }
    }
}

impl Transport for Http {
    fn post(&mut self, body: &str) -> Result<Response, SendError> {
        let request = self.request(body)?;
        let exchange = async {
            let mut response = request.send().await.map_err(|error| self.failed(error))?;
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|it| self.failed(it))? {
                if body.len() + chunk.len() > MAX_REPLY_BYTES {
                    let message = format!("answers more than {MAX_REPLY_BYTES} bytes");
                    return Err(self.error(Failure::Large, &message));
                }
                body.extend_from_slice(&chunk);
            }
            let retry_after = response.headers().get(RETRY_AFTER);
            let retry_after = retry_after.and_then(|value| value.to_str().ok());
            Ok(Response {
                status: response.status().as_u16(),
                retry_after: retry_after.map(|text| self.config.hide(text)),
                body,
            })
        };
        // One limit around everything: a server that sends a byte a second is late too.
        let timed = async { tokio::time::timeout(self.timeouts.total, exchange).await };
        let mut response = match self.runtime.block_on(timed) {
            Ok(result) => result?,
            Err(_) => return Err(self.late(false)),
        };
        if let Some(key) = &self.config.key {
            response.body = key.hide_bytes(response.body);
        }
        Ok(response)
    }
}

fn bearer(key: &Key) -> Result<HeaderValue, SendError> {
    let value = HeaderValue::from_str(&format!("Bearer {}", key.expose()));
    let mut value = value.map_err(|_| SendError {
        kind: Failure::Record,
        message: "the key cannot stand in a header".into(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// TLS with the system's certificates; for http, which uses none, without any.
fn tls(secure: bool) -> Result<ClientConfig, SendError> {
    let refused = |error: rustls::Error| SendError {
        kind: Failure::Tls,
        message: format!(
            "TLS cannot be set up: {error}; are the system's certificates installed (Debian: \
             ca-certificates)?"
        ),
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(refused)?;
    Ok(match secure {
        true => builder
            .with_platform_verifier()
            .map_err(refused)?
            .with_no_client_auth(),
        false => builder
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth(),
    })
}

fn is_tls(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if holds_tls(cause) {
            return true;
        }
        source = cause.source();
    }
    false
}

/// An I/O error is not the source of what it holds, and may hold another one.
fn holds_tls(mut cause: &(dyn Error + 'static)) -> bool {
    while let Some(inner) = cause.downcast_ref().and_then(io::Error::get_ref) {
        cause = inner;
    }
    cause.is::<rustls::Error>()
}

/// The innermost cause: the outer ones repeat the address.
fn innermost(error: &dyn Error) -> String {
    let mut last = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        last = cause.to_string();
        source = cause.source();
    }
    last
}
