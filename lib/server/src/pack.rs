//! Answers made smaller for clients that say they can read them: gzip, for text that is whole.

use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::Response;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, VARY};

use crate::body::Body;
use crate::listen::Server;

/// Below this it is not worth it: bytes.
const WORTH: usize = 1 << 10;

/// Whether a client reads gzip.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| {
        let (name, weight) = one.split_once(';').unwrap_or((one, ""));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.trim().parse::<f32>().ok());
        ["gzip", "*"].iter().any(|word| name.trim().eq_ignore_ascii_case(word)) && weight != Some(0.0)
    })
}

/// The answer, smaller where that is wanted and worth it.
pub(crate) async fn pack(server: &Arc<Server>, mut response: Response<Body>, is_wanted: bool) -> Response<Body> {
    let bytes = match response.body() {
        Body::Whole(Some(bytes)) if bytes.len() >= WORTH => bytes.clone(),
        Body::Whole(_) | Body::Flow(_) | Body::Piped(..) => return response,
    };
    let headers = response.headers();
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if headers.contains_key(CONTENT_ENCODING) || !(media.starts_with("text/") || media.contains("json")) {
        return response;
    }
    response.headers_mut().append(VARY, HeaderValue::from_static("accept-encoding"));
    if !is_wanted {
        return response;
    }
    let packed = server.hub.work(move |_| {
        let mut packed = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
        Ok(packed.write_all(&bytes).and_then(|()| packed.finish()))
    });
    // As it is, it is right too.
    if let Ok(Ok(packed)) = packed.await {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        *response.body_mut() = Body::Whole(Some(packed.into()));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_gzip_says_so() {
        for (value, wanted) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("*", true),
            ("deflate, gzip; q=1", true),
            ("", false),
            ("gzip;q=0", false),
            ("gzip; q=0.000", false),
            ("br", false),
            ("identity", false),
        ] {
            let headers: HeaderMap = [(ACCEPT_ENCODING, HeaderValue::from_static(value))].into_iter().collect();
            assert_eq!(is_wanted(&headers), wanted, "{value}");
        }
        assert!(!is_wanted(&HeaderMap::new()));
    }
}
