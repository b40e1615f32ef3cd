//! What the operator's machines ask of a relay that runs alone: `/healthz`, `/readyz`, `/metrics`.
//! Beside a daemon its own routes tell the same.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::base::limits::{HEAD_SIZE_MAX, RELAY_STATUS_TIMEOUT_S};
use crate::telemetry::{Metrics, ProcessFigures};
use crate::worker::{DrainSignal, Service, Socket};

/// Answers those who watch the relay.
#[derive(Clone)]
pub struct Status {
    metrics: Arc<Metrics>,
    drain: DrainSignal,
}

impl Status {
    /// Of this process.
    pub fn new(metrics: Arc<Metrics>, drain: DrainSignal) -> Status {
        Status { metrics, drain }
    }

    async fn answer(self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        const TEXT: &str = "text/plain; charset=utf-8";
        const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return answer(StatusCode::METHOD_NOT_ALLOWED, TEXT, "GET it\n".into());
        }
        match request.uri().path() {
            "/healthz" => answer(StatusCode::OK, TEXT, "ok\n".into()),
            "/readyz" if self.drain.is_draining() => {
                answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, "the relay stops\n".into())
            }
            "/readyz" => answer(StatusCode::OK, TEXT, "ready\n".into()),
            "/metrics" => {
                // Without an answer the figures are left out.
                let figures = spawn_blocking(ProcessFigures::read).await.unwrap_or_default();
                answer(StatusCode::OK, PROMETHEUS, self.metrics.render(&figures))
            }
            _ => answer(
                StatusCode::NOT_FOUND,
                TEXT,
                "there are /healthz, /readyz and /metrics\n".into(),
            ),
        }
    }
}

fn answer(status: StatusCode, content_type: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

impl Service for Status {
    fn serve(&self, socket: Socket, peer: SocketAddr) -> LocalBoxFuture<'static, ()> {
        let status = self.clone();
        let drain = self.drain.clone();
        let service =
            service_fn(move |request| status.clone().answer(request).map(Ok::<_, Infallible>));
        let mut builder = http1::Builder::new();
        // The time of the connection bounds that of its heads.
        builder.header_read_timeout(None).max_buf_size(HEAD_SIZE_MAX);
        let connection = builder.serve_connection(TokioIo::new(socket), service);
        async move {
            let mut connection = pin!(connection);
            let limit = Duration::from_secs(RELAY_STATUS_TIMEOUT_S);
            let served = timeout(limit, async {
                tokio::select! {
                    ended = connection.as_mut() => return ended,
                    () = drain.wait() => connection.as_mut().graceful_shutdown(),
                }
                connection.await
            });
            if let Ok(Err(error)) = served.await {
                tracing::debug!(%peer, %error, "connection ended");
            }
        }
        .boxed_local()
    }

    fn close(&self) -> LocalBoxFuture<'static, ()> {
        std::future::ready(()).boxed_local()
    }
}
