//! What becomes of a request when the other side misbehaves.

#[path = "../../../tests/fault_server/mod.rs"]
mod fault_server;

use super::*;
use fault_server::{Answer as Reply, FaultServer, Script};
use std::time::Instant;

const KEY: &str = "5entine1-5entine1";
/// Longer than any answer takes that comes at all.
const PATIENCE: Duration = Duration::from_secs(30);
/// For requests whose answer must not come.
const TIMEOUT: Duration = Duration::from_millis(600);
/// What an end at a deadline may take beyond it.
const GRACE: Duration = Duration::from_millis(400);

fn post(web: &Web, url: &str, body: &[u8], timeout: Duration) -> Result<Answer, ExportError> {
    let headers = [("content-type", "text/plain"), ("dd-api-key", KEY)];
    web.post(&Post { url, headers: &headers, body, timeout })
}

/// Without the proxy of those who run the tests.
fn unproxied() -> Web {
    let Web { direct, .. } = Web::new();
    Web { agent: direct.clone(), direct }
}

/// Posts to a server that does not answer, which must end by the deadline.
fn timed_out(script: Script, body: &[u8]) {
    let name = script.name();
    let server = FaultServer::start(script);
    let begun = Instant::now();
    let result = post(&Web::new(), &server.url(), body, TIMEOUT);
    let took = begun.elapsed();
    let error = result.map(|answer| answer.status()).expect_err(name);
    assert_eq!(error.cause(), FailureCause::TimedOut, "{name}: {error}");
    assert!(took >= TIMEOUT && took <= TIMEOUT + GRACE, "{name}: {took:?}");
    assert_eq!(server.asked(name), 1);
    assert!(server.received().is_empty());
}

#[test]
fn a_request_ends_by_its_deadline_if_no_answer_comes() {
    timed_out(Script::BlackHole, b"body");
}

#[test]
fn a_request_ends_by_its_deadline_if_nobody_reads_it() {
    timed_out(Script::NeverReads, &vec![b'x'; 30_000_000]);
}

#[test]
fn a_request_ends_by_its_deadline_if_it_is_read_in_sips() {
    timed_out(Script::Sips { pace: Duration::from_millis(1) }, &vec![b'x'; 30_000_000]);
}

#[test]
fn a_request_ends_by_its_deadline_if_the_answer_trickles() {
    timed_out(Script::Trickles { pace: TIMEOUT / 10, at_once: 0 }, b"body");
}

#[test]
fn an_answer_is_known_by_its_head_whatever_becomes_of_its_body() {
    let head = Reply::new("", 200).head(10).len();
    for script in [
        Script::Trickles { pace: 10 * PATIENCE, at_once: usize::MAX },
        Script::Trickles { pace: Duration::ZERO, at_once: head },
        Script::Huge { status: 200 },
    ] {
        let name = script.name();
        let server = FaultServer::start(script);
        let answer = post(&Web::new(), &server.url(), b"body", TIMEOUT).unwrap();
        assert_eq!(answer.taken().unwrap().status(), 200, "{name}");
        assert_eq!(server.received().len(), 1, "{name}");
    }
    let server = FaultServer::start(Script::Huge { status: 503 });
    let answer = post(&Web::new(), &server.url(), b"body", PATIENCE).unwrap();
    assert_eq!(answer.body.len() as u64, MAX_ANSWER_BYTES);
    assert_eq!(answer.taken().map(|_| ()).unwrap_err().cause(), FailureCause::Unavailable);
}

#[test]
fn a_connection_serves_request_after_request() {
    let server = FaultServer::start(Script::Answers(Reply::new("serves", 202).body("taken")));
    let web = Web::new();
    for body in [&b"first"[..], b"", &vec![b'x'; 1_000_000]] {
        let answer = post(&web, &server.url(), body, PATIENCE).unwrap().taken().unwrap();
        assert_eq!((answer.status(), &answer.body[..]), (202, &b"taken"[..]));
        let received = server.received().pop().unwrap();
        assert!(received.body == body);
        assert_eq!((&*received.path, &*received.headers["dd-api-key"]), ("/", KEY));
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_connection_that_was_closed_meanwhile_is_not_used_again() {
    let reply = Reply::new("closes", 200);
    let server = FaultServer::start(Script::ClosesAfterAnswers(reply));
    let web = Web::new();
    for number in 1..=50 {
        post(&web, &server.url(), b"body", PATIENCE).unwrap().taken().unwrap();
        // Until then it may be any.
        server.wait_until_closed();
        assert_eq!((server.received().len(), server.connections()), (number, number as u64));
    }
}

#[test]
fn a_server_that_was_restarted_is_found_again() {
    let mut server = FaultServer::start(Script::serves());
    let web = Web::new();
    for number in 1..=20 {
        post(&web, &server.url(), b"body", PATIENCE).unwrap().taken().unwrap();
        server.set(Script::Refuses);
        let error = post(&web, &server.url(), b"body", PATIENCE).map(|_| ()).unwrap_err();
        assert_eq!(error.cause(), FailureCause::Unreachable, "{error}");
        server.set(Script::serves());
        assert_eq!(server.received().len(), number);
    }
}

#[test]
fn what_breaks_on_the_way_is_unreachable() {
    let mut server = FaultServer::start(Script::Refuses);
    let (plain, tls) = (server.url(), server.https_url());
    let nowhere = "http://nowhere.invalid/".to_owned();
    for (script, url) in [
        (Script::Refuses, &plain),
        (Script::ResetsMidway, &plain),
        (Script::ResetsUnanswered, &plain),
        (Script::Garbage, &plain),
        (Script::Garbage, &tls),
        (Script::serves(), &tls),
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        (Script::SelfSigned, &tls),
        (Script::serves(), &nowhere),
    ] {
        let name = format!("{} at {url}", script.name());
        server.set(script);
        let result = post(&unproxied(), url, &vec![b'x'; 1_000_000], PATIENCE);
        let error = result.map(|answer| answer.status()).expect_err(&name);
        assert_eq!(error.cause(), FailureCause::Unreachable, "{name}: {error}");
        assert!(error.retry_after().is_none());
        let origin = url.trim_end_matches('/');
        assert!(error.to_string().starts_with(&format!("{origin}: ")), "{name}: {error}");
        let is_trust = error.to_string().contains("certificate");
        assert_eq!(is_trust, name.starts_with("self-signed"), "{name}: {error}");
    }
    assert!(server.received().is_empty());
}

#[test]
fn redirects_are_not_followed() {
    let mut server = FaultServer::start(Script::Refuses);
    for status in [301, 302, 303, 307, 308] {
        server.set(server.redirect(status));
        let answer = post(&Web::new(), &server.url(), b"body", PATIENCE).unwrap();
        let error = answer.taken().map(|_| ()).unwrap_err();
        assert_eq!(error.cause(), FailureCause::Other);
        assert!(error.to_string().contains("redirect"), "{error}");
    }
    assert_eq!((server.asked("redirects"), server.asked_elsewhere()), (5, 0));
}

#[test]
fn what_a_status_says_about_the_same_request_again() {
    use FailureCause::{Other, RateLimited, Rejected, Unauthorized, Unavailable};
    let mut server = FaultServer::start(Script::Refuses);
    let web = Web::new();
    for status in 200..=599 {
        let expected = match status {
            200..=299 => None,
            429 => Some(RateLimited),
            408 | 500.. => Some(Unavailable),
            401 | 403 => Some(Unauthorized),
            400 | 413 | 415 | 422 => Some(Rejected),
            _ => Some(Other),
        };
        server.set(Script::Answers(Reply::new("any", status)));
        let answer = post(&web, &server.url(), b"body", PATIENCE).unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.taken().map_err(|error| error.cause()).err(), expected, "{status}");
    }
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    for (script, cause, delay) in [
        (Script::too_many(Some("7")), RateLimited, seconds(7)),
        (Script::too_many(None), RateLimited, None),
        (Script::too_many(Some("soon")), RateLimited, None),
        (Script::unavailable(Some("7")), RateLimited, seconds(7)),
        (Script::unavailable(Some("0")), Unavailable, None),
        (Script::unavailable(None), Unavailable, None),
        (Script::Answers(Reply::new("any", 500).header("retry-after", "7")), Unavailable, None),
    ] {
        server.set(script);
        let answer = post(&web, &server.url(), b"body", PATIENCE).unwrap();
        let error = answer.taken().map(|_| ()).unwrap_err();
        assert_eq!((error.cause(), error.retry_after()), (cause, delay), "{error}");
    }
}

#[test]
fn retry_after_is_seconds_or_a_date_to_come() {
    let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
    for (text, expected) in [
        ("1", 1),
        (" 120 ", 120),
        ("007", 7),
        ("Sun, 06 Nov 1994 08:49:38 GMT", 1),
        ("Sunday, 06-Nov-94 08:50:37 GMT", 60),
        ("Sun Nov  6 09:49:37 1994", 3600),
        ("18446744073709551615", u64::MAX),
    ] {
        assert_eq!(retry_after(text, now), Some(Duration::from_secs(expected)), "{text}");
    }
    assert_eq!(retry_after("99999999999999999999", now), Some(Duration::MAX));
    assert!(retry_after("Fri, 31 Dec 9999 23:59:59 GMT", now) > Some(Duration::from_secs(1 << 37)));
    let no_time =
        ["", "0", "000", "-5", "+5", "1.5", "soon", "1e3", "5s", "\u{661}", "Sun, 06 Nov"];
    let past = ["Sun, 06 Nov 1994 08:49:37 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"];
    for text in no_time.into_iter().chain(past) {
        assert_eq!(retry_after(text, now), None, "{text}");
    }
}

#[test]
fn no_secret_of_a_request_is_in_an_error() {
    let echo = format!(
        "bad key {KEY} in sentry_key={KEY} for us3r:passw0rd1, api_key={KEY}1 dXMzcjpwYXNzdzByZDE= taken"
    );
    let mut server = FaultServer::start(Script::Refuses);
    let (host, web) = (server.address(), Web::new());
    let url = format!("http://us3r:passw0rd1@{host}/path?api_key={KEY}1");
    let sentry = format!("Sentry sentry_version=7, sentry_key={KEY}, sentry_client=quipu/0.1.0");
    let headers = [("X-Sentry-Auth", &*sentry), ("Content-Type", "application/json")];
    let post = Post { url: &url, headers: &headers, body: b"body", timeout: PATIENCE };
    for status in [302, 400, 401, 404, 500] {
        server.set(Script::Answers(Reply::new("echo", status).body(&*echo)));
        let error = web.post(&post).unwrap().taken().map(|_| ()).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains("5entine1") && !text.contains("passw0rd1"), "{text}");
        assert!(!text.contains("dXMz"), "{text}");
        assert!(text.contains("bad key [secret]") && text.ends_with("}"), "{text}");
    }
    for script in [Script::Refuses, Script::Garbage, Script::ResetsUnanswered] {
        server.set(script);
        let error = web.post(&post).map(|_| ()).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains("5entine1") && !text.contains("passw0rd1"), "{text}");
        assert!(text.contains(&host.to_string()), "{text}");
    }
    for url in ["5entine1", "http://5entine1:5entine1@", "5entine1://h/", "http://h:5entine1/", ""]
    {
        let post = Post { url, ..post };
        let error = web.post(&post).map(|_| ()).expect_err(url);
        assert!(!format!("{error} {error:?}").contains("5entine1"), "{error:?}");
    }
}

#[test]
fn a_proxy_is_not_asked_for_this_machines_own_addresses() {
    let own =
        ["http://localhost:1/a", "http://u:p@LOCALHOST", "https://127.3.2.1/", "http://[::1]:80"];
    for url in own {
        assert!(is_of_this_machine(&url.parse().unwrap_or_default()), "{url}");
    }
    let others = ["http://localhost.example/", "http://128.0.0.1/", "http://[::2]/", ""];
    for url in others {
        assert!(!is_of_this_machine(&url.parse().unwrap_or_default()), "{url}");
    }
}

#[test]
fn a_proxy_of_the_environment_is_asked_for_others_alone() {
    const URL: &str = "QUIPU_TEST_URL";
    if let Ok(url) = std::env::var(URL) {
        let _ = post(&Web::new(), &url, b"body", PATIENCE);
        return;
    }
    let proxy = FaultServer::start(Script::Garbage);
    let server = FaultServer::start(Script::serves());
    let post_in_own_process = |url: &str| {
        let test = "export::web::tests::a_proxy_of_the_environment_is_asked_for_others_alone";
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", test]).env(URL, url).env("ALL_PROXY", proxy.url());
        let output = again.output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
    };
    post_in_own_process(&server.url());
    assert_eq!((server.received().len(), proxy.asked("garbage")), (1, 0));
    post_in_own_process("http://nowhere.invalid/");
    assert_eq!((server.received().len(), proxy.asked("garbage")), (1, 1));
}
