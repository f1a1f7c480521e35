//! The rules, case by case.

use uuid::Uuid;

use super::*;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

/// A message by its letter: `q` a question; `a` an answer that cites, `n` one that rests on nothing, `+` and `-` ones that
/// were rated, `f` one that failed, `c` one that the client stopped, `h` the host's notice that a person answers, `s` one
/// that is being written; `p` a person.
fn message(letter: char, seconds: i64) -> Said {
    let (role, status) = match letter {
        'q' => (Role::User, MessageStatus::Complete),
        'p' => (Role::Agent, MessageStatus::Complete),
        'f' => (Role::Assistant, MessageStatus::Failed),
        'c' => (Role::Assistant, MessageStatus::Cancelled),
        'h' => (Role::Assistant, MessageStatus::HandedOver),
        's' => (Role::Assistant, MessageStatus::Streaming),
        _ => (Role::Assistant, MessageStatus::Complete),
    };
    Said {
        id: MessageId(Uuid::from_u128(u128::from(seconds.unsigned_abs()) + 1)),
        role,
        status,
        at: at(seconds),
        ended_at: at(seconds),
        is_empty: letter == 's',
        is_grounded: matches!(letter, 'a' | '+' | '-'),
        rating: match letter {
            '+' => Some(Rating::Up),
            '-' => Some(Rating::Down),
            _ => None,
        },
    }
}

/// A conversation of messages that are a second apart; a digit is a pause of so many days, `.` one of two hours.
fn facts(state: ConversationState, handed_over_at: Option<i64>, letters: &str) -> Facts {
    let (mut seconds, mut said) = (0, Vec::new());
    for letter in letters.chars() {
        match letter.to_digit(10) {
            Some(days) => seconds += i64::from(days) * DAY,
            None if letter == '.' => seconds += 2 * HOUR,
            None => {
                said.push(message(letter, seconds));
                seconds += 1;
            }
        }
    }
    Facts { state, handed_over_at: handed_over_at.map(at), said }
}

#[test]
fn each_rule_has_its_cases() {
    use ConversationState::{Agent, Ai, Closed, Waiting};
    use Outcome::{Abandoned, Autonomous, Durable, HandedOver, Open};

    for (case, state, handed_over_at, letters, after, expected) in [
        ("it may go on", Ai, None, "qa", HOUR - 5, Open),
        ("answered", Ai, None, "qa", HOUR + 5, Autonomous),
        ("answered, and nobody came back", Ai, None, "qa", 7 * DAY + 5, Durable),
        ("not quite seven days", Ai, None, "qa", 7 * DAY - 5, Autonomous),
        ("the visitor came back", Ai, None, "qa.qa", 30 * DAY, Autonomous),
        ("the visitor came back after seven days", Ai, None, "qa8qa", 30 * DAY, Durable),
        ("a thank-you is no question", Ai, None, "qaqn", 2 * HOUR, Autonomous),
        ("an answer out of nothing", Ai, None, "qn", 2 * HOUR, Abandoned),
        ("out of nothing, but it helped", Ai, None, "q+", 2 * HOUR, Autonomous),
        ("it didn't help", Ai, None, "q-", 2 * HOUR, Abandoned),
        ("thanks, although it didn't help", Ai, None, "q-qn", 2 * HOUR, Abandoned),
        ("the second try helped", Ai, None, "q-qa", 2 * HOUR, Autonomous),
        ("the last word is the visitor's", Ai, None, "qaq", 2 * HOUR, Abandoned),
        ("the answer failed", Ai, None, "qf", 2 * HOUR, Abandoned),
        ("the visitor left before the answer", Ai, None, "qc", 2 * HOUR, Abandoned),
        ("an answer that never ended", Ai, None, "qs", 2 * HOUR, Abandoned),
        ("an answer that is being written", Ai, None, "qs", 5, Open),
        ("nobody said anything", Ai, None, "", DAY, Abandoned),
        ("a person is awaited", Waiting, Some(1), "qah", DAY - 5, Open),
        ("nobody came", Waiting, Some(1), "qah", DAY + 5, Abandoned),
        ("an agent answered", Agent, Some(1), "qahp", 2 * HOUR, HandedOver),
        ("an agent just answered", Agent, Some(1), "qahp", 60, Open),
        ("the agent has to answer", Agent, Some(1), "qhpqh", 20 * HOUR, Open),
        ("the agent never answered", Agent, Some(1), "qhpqh", 2 * DAY, Abandoned),
        ("an agent settled it", Closed, Some(1), "qahp", 60, HandedOver),
        ("given back, and the assistant answered", Ai, Some(1), "qhpqa", 2 * HOUR, HandedOver),
        ("given back, and nobody answered", Ai, Some(1), "qhpqf", 2 * HOUR, Abandoned),
        ("a person is never autonomous", Ai, Some(1), "qhpqa", 30 * DAY, HandedOver),
    ] {
        let facts = facts(state, handed_over_at, letters);
        let judged = judge(&facts, at(after));
        assert_eq!(judged.outcome, expected, "{case}");
        if let Some(again) = judged.look_again_at {
            assert!(again > at(after), "{case}");
            assert_ne!(judge(&facts, again).outcome, judged.outcome, "{case}: it is looked at when it changes");
        }
        assert!(judged.outcome != Open || judged.look_again_at.is_some(), "{case}: open ends");
    }
}

#[test]
fn numbers_are_of_what_was_said() {
    let said = facts(ConversationState::Agent, Some(3), "qnq-qhp.qh");
    let judged = judge(&said, at(3 * HOUR));
    assert_eq!((judged.messages, judged.questions, judged.answers), (9, 4, 3));
    assert_eq!((judged.rated_up, judged.rated_down, judged.person, judged.reopened), (0, 1, true, true));
    assert_eq!(judged.first_answer, Some(Duration::from_secs(1)));
    let gaps: Vec<Gap> = judged.unanswered.iter().map(|question| question.gap).collect();
    assert_eq!(gaps, [Gap::NoSource, Gap::RatedDown]);
    assert_eq!(judge(&facts(ConversationState::Ai, None, "qf"), at(0)).first_answer, None);
}

#[test]
fn names_are_those_that_are_stored() {
    for outcome in Outcome::ALL {
        assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.name());
    }
    assert_eq!(serde_json::to_value(Gap::RatedDown).unwrap(), Gap::RatedDown.name());
    assert_eq!(serde_json::to_value(Rating::Down).unwrap(), Rating::Down.name());
}
