//! What keeps a browser from doing more than it should: headers of every response, and which other sites may ask.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

const POLICY: &str =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const FRAME_OPTIONS: HeaderName = HeaderName::from_static("x-frame-options");

/// What an operator may set of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// How long somebody who logs in by form stays logged in, in milliseconds.
    pub session_ms: u64,
    /// Other sites that may ask, as `https://console.example`; `*` for all of them, without cookies.
    pub cors_origins: Vec<String>,
    /// How long a browser may remember that they may, in seconds.
    pub cors_max_age_s: u64,
    /// A content security policy instead of the strict one.
    pub csp: Option<String>,
    /// A `strict-transport-security` header.
    pub hsts: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            session_ms: 8 * 3_600_000,
            cors_origins: Vec::new(),
            cors_max_age_s: 1800,
            csp: None,
            hsts: None,
        }
    }
}

/// [`Options`] as headers.
#[derive(Debug)]
pub(crate) struct Guard {
    pub(crate) session_ms: u64,
    origins: Vec<String>,
    max_age: HeaderValue,
    csp: HeaderValue,
    hsts: Option<HeaderValue>,
}

impl Default for Guard {
    fn default() -> Self {
        let Options { session_ms, cors_origins, cors_max_age_s, .. } = Options::default();
        let csp = HeaderValue::from_static(POLICY);
        Self { session_ms, origins: cors_origins, max_age: cors_max_age_s.into(), csp, hsts: None }
    }
}

impl Guard {
    /// None if a policy can be no header.
    pub(crate) fn new(options: Options) -> Option<Self> {
        let csp = options.csp.map_or(Ok(HeaderValue::from_static(POLICY)), HeaderValue::try_from).ok()?;
        let hsts = options.hsts.map(HeaderValue::try_from).transpose().ok()?;
        Some(Self {
            session_ms: options.session_ms,
            origins: options.cors_origins,
            max_age: options.cors_max_age_s.into(),
            csp,
            hsts,
        })
    }

    /// What every response has, for a request with these headers.
    pub(crate) fn protect(&self, method: &Method, asked: &HeaderMap, headers: &mut HeaderMap) {
        headers.insert(header::CONTENT_SECURITY_POLICY, self.csp.clone());
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(header::VARY, HeaderValue::from_static("accept, origin"));
        if let Some(hsts) = &self.hsts {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        if let Some(origin) = asked.get(header::ORIGIN) {
            self.share(method, asked, origin, headers);
        }
    }

    fn share(&self, method: &Method, asked: &HeaderMap, origin: &HeaderValue, headers: &mut HeaderMap) {
        if self.is_listed(origin) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        } else if self.origins.iter().any(|one| one == "*") {
            // Not with the cookies of whoever visits whatever site.
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        } else {
            return;
        }
        if *method == Method::OPTIONS {
            let methods = headers.get(header::ALLOW).cloned();
            methods.map(|methods| headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods));
            let wanted = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
            wanted.map(|wanted| headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted));
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        }
    }

    fn is_listed(&self, origin: &HeaderValue) -> bool {
        self.origins.iter().any(|one| one != "*" && one.as_bytes() == origin.as_bytes())
    }

    /// Whether a cookie may act for its user: not if another site asks that was not let in.
    pub(crate) fn may_use_cookie(&self, method: &Method, asked: &HeaderMap) -> bool {
        let Some(origin) = asked.get(header::ORIGIN) else { return true };
        if matches!(*method, Method::GET | Method::HEAD) || self.is_listed(origin) {
            return true;
        }
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        let own = asked.get(header::HOST).and_then(text);
        let other = text(origin);
        match (own, other.as_deref().and_then(|other| other.split_once("://"))) {
            (Some(own), Some((_, other))) => own == other,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    fn answered(guard: &Guard, method: Method, asked: &HeaderMap) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, OPTIONS"));
        guard.protect(&method, asked, &mut headers);
        headers
    }

    fn guard(origins: &[&str]) -> Guard {
        let cors_origins = origins.iter().map(|one| (*one).to_owned()).collect();
        Guard::new(Options { cors_origins, ..Options::default() }).unwrap()
    }

    #[test]
    fn no_other_site_may_ask_unless_it_is_listed() {
        let from = asked(&[(header::ORIGIN, "https://console.example")]);
        let none = answered(&Guard::default(), Method::GET, &from);
        assert!(none.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).is_none());
        assert_eq!(none[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(none[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("frame-ancestors 'none'"));
        let listed = answered(&guard(&["https://console.example"]), Method::OPTIONS, &from);
        assert_eq!(listed[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://console.example");
        assert_eq!(listed[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        assert_eq!(listed[header::ACCESS_CONTROL_ALLOW_METHODS], "GET, OPTIONS");
        assert_eq!(listed[header::ACCESS_CONTROL_MAX_AGE], "1800");
        let other = answered(&guard(&["https://other.example"]), Method::OPTIONS, &from);
        assert!(other.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).is_none());
        let any = answered(&guard(&["*"]), Method::GET, &from);
        assert_eq!(any[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(any.get(header::ACCESS_CONTROL_ALLOW_CREDENTIALS).is_none());
    }

    #[test]
    fn a_cookie_does_not_act_for_another_site() {
        let may = |guard: &Guard, method, origin| {
            let headers = asked(&[(header::HOST, "broker:15672"), (header::ORIGIN, origin)]);
            guard.may_use_cookie(&method, &headers)
        };
        assert!(Guard::default().may_use_cookie(&Method::PUT, &asked(&[(header::HOST, "broker:15672")])));
        assert!(may(&Guard::default(), Method::PUT, "http://broker:15672"));
        assert!(!may(&Guard::default(), Method::PUT, "http://evil.example"));
        assert!(!may(&Guard::default(), Method::DELETE, "null"));
        assert!(may(&Guard::default(), Method::GET, "http://evil.example"));
        assert!(may(&guard(&["https://console.example"]), Method::PUT, "https://console.example"));
        assert!(!may(&guard(&["*"]), Method::PUT, "https://evil.example"));
    }

    #[test]
    fn policies_of_operators_have_to_be_headers() {
        let csp = Some("default-src 'none'".to_owned());
        let guard = Guard::new(Options { csp, hsts: Some("max-age=1".to_owned()), ..Options::default() });
        let headers = answered(&guard.unwrap(), Method::GET, &HeaderMap::new());
        assert_eq!(headers[header::CONTENT_SECURITY_POLICY], "default-src 'none'");
        assert_eq!(headers[header::STRICT_TRANSPORT_SECURITY], "max-age=1");
        assert!(Guard::new(Options { hsts: Some("a\nb".to_owned()), ..Options::default() }).is_none());
    }
}
