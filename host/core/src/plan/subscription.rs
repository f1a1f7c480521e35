//! Subscriptions: until when an organization is served, and in which state it is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// How long an organization whose payment is due is still served.
pub const GRACE: Duration = Duration::from_secs(7 * 24 * 3600);

/// The state of a subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStatus {
    /// Served without payment, until the trial ends.
    Trial,
    #[default]
    Active,
    /// A payment failed or didn't come. It is served until the grace is over.
    PastDue,
    /// Chats and searches are refused. Data is kept.
    Expired,
}

impl SubscriptionStatus {
    pub const ALL: [Self; 4] = [Self::Trial, Self::Active, Self::PastDue, Self::Expired];

    pub fn name(self) -> &'static str {
        match self {
            Self::Trial => "trial",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Expired => "expired",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// What an operator or the biller set. The state at a time follows from it: [`Self::status_at`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    pub status: SubscriptionStatus,
    /// A trial without an end goes on until somebody ends it.
    pub trial_ends_at: Option<Timestamp>,
    /// When the period that was paid for ends. Without one, it goes on until somebody ends it.
    pub current_period_ends_at: Option<Timestamp>,
    /// Until when it is served, although the trial or the period is over or a payment failed. When it isn't set, a trial
    /// ends at its end, and what was paid for [`GRACE`] after it.
    pub past_due_until: Option<Timestamp>,
    /// When it was ended, for [`SubscriptionStatus::Expired`].
    pub ended_at: Option<Timestamp>,
}

impl Subscription {
    /// From when on nothing is answered, if nothing changes. `None` is never.
    pub fn ends_at(&self) -> Option<Timestamp> {
        match self.status {
            SubscriptionStatus::Trial => {
                let trial = self.trial_ends_at?;
                Some(self.past_due_until.unwrap_or(trial))
            }
            SubscriptionStatus::Active => {
                let paid_until = self.current_period_ends_at?;
                Some(self.past_due_until.unwrap_or_else(|| paid_until.plus(GRACE)))
            }
            SubscriptionStatus::PastDue => self.past_due_until,
            SubscriptionStatus::Expired => Some(self.ended_at.unwrap_or(Timestamp::from_micros(0))),
        }
    }

    pub fn status_at(&self, now: Timestamp) -> SubscriptionStatus {
        if self.ends_at().is_some_and(|ends| ends <= now) {
            return SubscriptionStatus::Expired;
        }
        let over = |ends: Option<Timestamp>| ends.is_some_and(|ends| ends <= now);
        match self.status {
            SubscriptionStatus::Trial if over(self.trial_ends_at) => SubscriptionStatus::PastDue,
            SubscriptionStatus::Active if over(self.current_period_ends_at) => SubscriptionStatus::PastDue,
            status => status,
        }
    }
}

/// A change of a subscription. `None` leaves a member as it is, `Some(None)` removes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionChange {
    pub status: Option<SubscriptionStatus>,
    pub trial_ends_at: Option<Option<Timestamp>>,
    pub current_period_ends_at: Option<Option<Timestamp>>,
    pub past_due_until: Option<Option<Timestamp>>,
}

impl Subscription {
    /// The subscription after a change at `now`. Another status begins with its own dates: a grace that isn't named is
    /// [`GRACE`] for a payment that is due from now on, and none for what was paid.
    pub fn changed(self, change: SubscriptionChange, now: Timestamp) -> Self {
        let status = change.status.unwrap_or(self.status);
        let other = status != self.status;
        let grace = match (other, status) {
            (true, SubscriptionStatus::PastDue) => Some(now.plus(GRACE)),
            (true, _) => None,
            (false, _) => self.past_due_until,
        };
        let ended_at = if other { Some(now) } else { self.ended_at };
        Self {
            status,
            trial_ends_at: change.trial_ends_at.unwrap_or(self.trial_ends_at),
            current_period_ends_at: change.current_period_ends_at.unwrap_or(self.current_period_ends_at),
            past_due_until: change.past_due_until.unwrap_or(grace),
            ended_at: ended_at.filter(|_| status == SubscriptionStatus::Expired),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: u64) -> Timestamp {
        "2026-10-01T00:00:00Z".parse::<Timestamp>().unwrap().plus(Duration::from_secs(day * 24 * 3600))
    }

    fn states(subscription: &Subscription, days: [u64; 4]) -> [SubscriptionStatus; 4] {
        days.map(|day| subscription.status_at(at(day)))
    }

    #[test]
    fn the_state_follows_from_the_dates() {
        use SubscriptionStatus::{Active, Expired, PastDue, Trial};

        let forever = Subscription::default();
        assert_eq!((forever.ends_at(), forever.status_at(at(9999))), (None, Active));
        let trial = Subscription { status: Trial, trial_ends_at: Some(at(14)), ..Subscription::default() };
        assert_eq!(states(&trial, [0, 13, 14, 20]), [Trial, Trial, Expired, Expired]);
        let billed = Subscription { past_due_until: Some(at(15)), ..trial };
        assert_eq!(states(&billed, [0, 13, 14, 15]), [Trial, Trial, PastDue, Expired]);
        let paid = Subscription { current_period_ends_at: Some(at(30)), ..Subscription::default() };
        assert_eq!(states(&paid, [29, 30, 36, 37]), [Active, PastDue, PastDue, Expired]);
        let cancelled = Subscription { past_due_until: Some(at(30)), ..paid };
        assert_eq!(states(&cancelled, [0, 29, 30, 31]), [Active, Active, Expired, Expired]);
        let failed = Subscription { status: PastDue, past_due_until: Some(at(5)), ..paid };
        assert_eq!(states(&failed, [0, 4, 5, 31]), [PastDue, PastDue, Expired, Expired]);
        let over = Subscription { status: Expired, ended_at: Some(at(3)), ..Subscription::default() };
        assert_eq!((over.ends_at(), over.status_at(at(4))), (Some(at(3)), Expired));
        let undated = Subscription { status: Expired, ..Subscription::default() };
        assert_eq!(undated.status_at(at(0)), Expired);
    }
    #[test]
    fn another_status_begins_with_its_own_dates() {
        use SubscriptionStatus::{Active, Expired, PastDue};

        let to = |status| SubscriptionChange { status: Some(status), ..SubscriptionChange::default() };
        let failed = Subscription::default().changed(to(PastDue), at(1));
        assert_eq!((failed.status, failed.past_due_until), (PastDue, Some(at(8))));
        assert_eq!(failed.changed(to(PastDue), at(5)), failed, "a second failure gives no more time");
        let paid = SubscriptionChange { current_period_ends_at: Some(Some(at(30))), ..to(Active) };
        let paid = failed.changed(paid, at(2));
        assert_eq!((paid.past_due_until, paid.ends_at()), (None, Some(at(37))));
        let over = paid.changed(to(Expired), at(3));
        assert_eq!((over.ends_at(), over.changed(to(Expired), at(9)).ends_at()), (Some(at(3)), Some(at(3))));
        let undated = SubscriptionChange { current_period_ends_at: Some(None), ..to(Active) };
        assert_eq!(over.changed(undated, at(4)), Subscription::default());
    }
}
