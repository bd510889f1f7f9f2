//! Envelopes on their way to Sentry. Knows no metrics.
#![forbid(unsafe_code)]

use super::dsn::Address;
use super::limits::{Category, Limits};
use crate::client::{ExportError, FailureCause};
use crate::export::web::{Post, Web};
use std::time::{Duration, Instant};

pub(super) struct Transport {
    web: Web,
    address: Address,
    limits: Limits,
}

impl Transport {
    pub(super) fn new(address: Address) -> Self {
        Self { web: Web::new(), address, limits: Limits::default() }
    }

    /// Sends an envelope with something of one category, unless Sentry wants none of it for the time
    /// being.
    ///
    /// # Errors
    ///
    /// What kept Sentry from taking it.
    pub(super) fn send(
        &mut self,
        category: Category,
        envelope: &[u8],
        timeout: Duration,
    ) -> Result<(), ExportError> {
        let now = Instant::now();
        if let Some(rest) = self.limits.rest(category, now) {
            let text = format!("Sentry wants no {} for another {rest:.1?}", category.name());
            return Err(self.limited(category, now, text));
        }
        let headers = [
            ("Content-Type", "application/x-sentry-envelope"),
            ("X-Sentry-Auth", &*self.address.auth),
        ];
        let post = Post { url: &self.address.url, headers: &headers, body: envelope, timeout };
        let mut answer = self.web.post(&post)?;
        self.address.secrets.iter().for_each(|secret| answer.hide(secret));
        let now = Instant::now();
        let limits = answer.header("x-sentry-rate-limits");
        self.limits.learn(answer.status(), limits, answer.retry_after(), now);
        match answer.taken() {
            Ok(_) => Ok(()),
            Err(error)
                if error.cause() == FailureCause::RateLimited
                    && self.limits.rest(category, now).is_some() =>
            {
                Err(self.limited(category, now, error.to_string()))
            }
            Err(error) => Err(error),
        }
    }

    /// Says that something is limited. For a time that is named, the client leaves the exporter alone
    /// with everything. So one is named only if metrics are limited, which are most of what there is;
    /// otherwise the client's own, shorter pauses have to do.
    fn limited(&self, category: Category, now: Instant, text: String) -> ExportError {
        let error = ExportError::new(FailureCause::RateLimited, text);
        let rest = self.limits.rest(category, now).min(self.limits.rest(Category::Metrics, now));
        match rest {
            Some(rest) => error.with_retry_after(rest),
            None => error,
        }
    }

    /// Whether Sentry wants nothing of that category for the time being.
    pub(super) fn is_limited(&self, category: Category) -> bool {
        self.limits.rest(category, Instant::now()).is_some()
    }
}
