//! Every route, in one table, and the way from a request to its handler.

use http::{Method, Request, Response};

use super::body::Body;
use super::error::HttpError;
use super::face::FaceParts;
use super::request_body::RequestBody;
use super::watch::Watch;
use super::{delete, download, health, manifest, public, upload};

/// A path and what it takes.
#[derive(Clone, Copy, Debug)]
pub struct RouteSpec {
    /// The path, with its variable part in braces.
    pub pattern: &'static str,
    /// The methods it takes, as `Allow` lists them.
    pub allowed: &'static str,
    target: Target,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    UploadForm,
    DownloadForm,
    File,
    Manifest,
    Health,
    Readiness,
    Metrics,
    Public,
}

/// Every route; the first that matches counts.
pub const ROUTES: &[RouteSpec] = &[
    RouteSpec { pattern: "/uploadFile", allowed: "POST", target: Target::UploadForm },
    RouteSpec { pattern: "/downloadFile", allowed: "POST", target: Target::DownloadForm },
    RouteSpec {
        pattern: "/files/{file_id}/manifest",
        allowed: "GET, HEAD",
        target: Target::Manifest,
    },
    RouteSpec {
        pattern: "/files/{file_id}",
        allowed: "GET, HEAD, PUT, DELETE",
        target: Target::File,
    },
    RouteSpec { pattern: "/healthz", allowed: "GET, HEAD", target: Target::Health },
    RouteSpec { pattern: "/readyz", allowed: "GET, HEAD", target: Target::Readiness },
    RouteSpec { pattern: "/metrics", allowed: "GET, HEAD", target: Target::Metrics },
    RouteSpec { pattern: "/{path}", allowed: "GET, HEAD", target: Target::Public },
];

/// Answers a request by its route.
pub(super) async fn dispatch(
    face: &FaceParts,
    watch: &Watch,
    request: Request<RequestBody>,
) -> Result<Response<Body>, HttpError> {
    // Cheaper than its text: the request goes to the handler.
    let uri = request.uri().clone();
    let (route, variable) = find(uri.path()).ok_or_else(HttpError::no_such_path)?;
    if route.target == Target::Public && face.options.public.is_none() {
        return Err(HttpError::no_such_path());
    }
    let method = request.method().clone();
    if !route.allowed.split(", ").any(|allowed| allowed == method.as_str()) {
        return Err(HttpError::method_not_allowed(route.allowed));
    }
    // Boxed but for downloads: hyper moves the future of each request several times, and it would
    // be as large as the largest of these.
    match route.target {
        Target::UploadForm => Box::pin(upload::form(face, watch, request)).await,
        Target::DownloadForm => Box::pin(download::by_form(face, request)).await,
        Target::File if method == Method::PUT => {
            Box::pin(upload::put(face, variable, request)).await
        }
        Target::File if method == Method::DELETE => {
            Box::pin(delete::file(face, variable, &request)).await
        }
        Target::File => download::by_path(face, variable, request).await,
        Target::Manifest => Box::pin(manifest::of_file(face, variable)).await,
        Target::Health => Ok(health::alive()),
        Target::Readiness => health::ready(face),
        Target::Metrics => Ok(Box::pin(health::metrics(face)).await),
        Target::Public => Box::pin(public::file(face, variable, request)).await,
    }
}

/// The route of a path and the variable part, still percent-encoded.
fn find(path: &str) -> Option<(&'static RouteSpec, &str)> {
    ROUTES.iter().find_map(|route| Some((route, matches(route, path)?)))
}

fn matches<'p>(route: &RouteSpec, path: &'p str) -> Option<&'p str> {
    let Some((before, rest)) = route.pattern.split_once('{') else {
        return (path == route.pattern).then_some("");
    };
    let (_, after) = rest.split_once('}')?;
    let variable = path.strip_prefix(before)?.strip_suffix(after)?;
    // The path of a public file has any number of components, and may be empty: `/`.
    let fits = route.target == Target::Public || !variable.is_empty() && !variable.contains('/');
    fits.then_some(variable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_finds_its_route() {
        for (path, expected) in [
            ("/uploadFile", Some((Target::UploadForm, ""))),
            ("/downloadFile", Some((Target::DownloadForm, ""))),
            ("/files/0a:b", Some((Target::File, "0a:b"))),
            ("/files/0a%3Ab/manifest", Some((Target::Manifest, "0a%3Ab"))),
            ("/files/manifest", Some((Target::File, "manifest"))),
            ("/healthz", Some((Target::Health, ""))),
            ("/readyz", Some((Target::Readiness, ""))),
            ("/metrics", Some((Target::Metrics, ""))),
            ("/", Some((Target::Public, ""))),
            ("/docs/a.html", Some((Target::Public, "docs/a.html"))),
            ("/files/", Some((Target::Public, "files/"))),
            ("/files/a/b", Some((Target::Public, "files/a/b"))),
            ("/files//manifest", Some((Target::Public, "files//manifest"))),
            ("/uploadfile", Some((Target::Public, "uploadfile"))),
            ("*", None),
            ("", None),
        ] {
            let found = find(path).map(|(route, variable)| (route.target, variable));
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn whoever_takes_get_takes_head() {
        for route in ROUTES {
            assert_eq!(
                route.allowed.contains("GET"),
                route.allowed.contains("HEAD"),
                "{}",
                route.pattern
            );
        }
    }
}
