//! `partway events`: upload callbacks that applications do not know of yet; replaying and dropping them; whether a bucket
//! retries.

use super::{
    CliError,
    command::{Answer, Command},
    operator, output, stores,
};
use crate::{
    config::Settings,
    events::EventSummary,
    meta::record::EventState,
    model::{EventId, Timestamp},
};
use clap::ArgMatches;
use serde_json::json;
use std::process::ExitCode;

pub(super) fn run(settings: &Settings, matches: &ArgMatches) -> Result<ExitCode, CliError> {
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    match (text("replay"), text("drop"), text("retry"), text("bucket")) {
        (Some(id), _, _, _) => replay(settings, id)?,
        (None, Some(id), _, _) => drop_events(settings, Command::DropEvent(parsed(id)?))?,
        (None, None, Some(retry), Some(bucket)) => {
            operator::ask(settings, &Command::SetRetries { bucket: bucket.to_owned(), retries: retry == "on" })?;
            output::print(&format!("failed callbacks of {bucket} are {}\n", if retry == "on" { "tried again" } else { "not tried again" }));
        }
        (None, None, None, Some(bucket)) if matches.get_flag("drop-all") => {
            drop_events(settings, Command::DropEvents { bucket: bucket.to_owned() })?;
        }
        (None, None, _, _) => list(settings, matches)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn parsed(id: &str) -> Result<EventId, CliError> {
    EventId::parse(id).ok_or_else(|| CliError::usage(format!("`{id}` is no event id: it has 32 hex digits")))
}

fn drop_events(settings: &Settings, command: Command) -> Result<(), CliError> {
    let Answer::Dropped(count) = operator::ask(settings, &command)? else { return Err(other_answer()) };
    output::print(&format!(
        "{count} {} dropped; nobody will be told of what they were about\n",
        if count == 1 { "event" } else { "events" }
    ));
    Ok(())
}

fn replay(settings: &Settings, id: &str) -> Result<(), CliError> {
    let event = parsed(id)?;
    let outcome = match operator::ask(settings, &Command::ReplayEvent(event))? {
        Answer::Delivered => "is delivered",
        Answer::Done => "is due; the server will tell it when it runs",
        Answer::Uploads(_)
        | Answer::StaleUploads(_)
        | Answer::Verify(_)
        | Answer::Backup(_)
        | Answer::Events(_)
        | Answer::Dropped(_)
        | Answer::Quotas(_)
        | Answer::Keys(_) => {
            return Err(other_answer());
        }
    };
    output::print(&format!("event {event} {outcome}\n"));
    Ok(())
}

fn list(settings: &Settings, matches: &ArgMatches) -> Result<(), CliError> {
    let count_max = *matches.get_one::<u32>("count-max").expect("it has a default");
    let command = Command::Events { count_max, with_delivered: matches.get_flag("all") };
    let Answer::Events(mut events) = operator::ask(settings, &command)? else { return Err(other_answer()) };
    events.sort_by_key(|event| event.created);
    let now = stores::now();
    output::print(&if matches.get_flag("json") { as_json(&events) } else { as_table(&events, now) });
    if u32::try_from(events.len()).is_ok_and(|count| count >= count_max) {
        output::complain(&format!("partway: only the first {count_max} are listed; --count-max lists more"));
    }
    Ok(())
}

fn other_answer() -> CliError {
    CliError::failed("the server gave another answer than was asked for")
}

fn state_word(state: EventState) -> &'static str {
    match state {
        EventState::Pending => "pending",
        EventState::Delivered(_) => "delivered",
        EventState::Failed(_) => "failed",
    }
}

pub(super) fn as_table(events: &[EventSummary], now: Timestamp) -> String {
    if events.is_empty() {
        return "no events\n".to_owned();
    }
    let heading = ["EVENT ID", "BUCKET", "KEY", "STATE", "ATTEMPTS", "AGE", "NEXT", "URL", "LAST ERROR"].map(str::to_owned).to_vec();
    let between = |from: Timestamp, to: Timestamp| output::age(to.millis().saturating_sub(from.millis()).max(0));
    let rows = events.iter().map(|event| {
        let next = match event.state {
            EventState::Pending => format!("in {}", between(now, event.due)),
            EventState::Delivered(_) | EventState::Failed(_) => "-".to_owned(),
        };
        vec![
            event.id.to_string(),
            event.bucket.to_string(),
            event.key.to_string(),
            state_word(event.state).to_owned(),
            event.attempts.to_string(),
            between(event.created, now),
            next,
            event.urls.first().cloned().unwrap_or_default(),
            event.last_error.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    output::table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())
}

pub(super) fn as_json(events: &[EventSummary]) -> String {
    let rows = events.iter().map(|event| {
        let (next_attempt, settled) = match event.state {
            EventState::Pending => (Some(output::time(event.due)), None),
            EventState::Delivered(at) | EventState::Failed(at) => (None, Some(output::time(at))),
        };
        json!({
            "id": event.id.to_string(),
            "bucket": event.bucket.as_str(),
            "key": event.key.as_str(),
            "state": state_word(event.state),
            "attempts": event.attempts,
            "created": output::time(event.created),
            "next_attempt": next_attempt,
            "settled": settled,
            "urls": event.urls,
            "last_error": event.last_error,
        })
    });
    output::json(&rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Bucket, ObjectKey};

    fn event(state: EventState) -> EventSummary {
        EventSummary {
            id: EventId([0xAB; 16]),
            bucket: Bucket::new("films").unwrap(),
            key: ObjectKey::new("a\u{1b}b").unwrap(),
            urls: vec!["http://app/cb".to_owned(), "http://second/".to_owned()],
            created: Timestamp::from_secs(1_700_000_000),
            attempts: 3,
            due: Timestamp::from_secs(1_700_000_120),
            last_error: Some("Error status : 500.".to_owned()),
            state,
        }
    }

    #[test]
    fn the_table_shows_what_operators_ask_for() {
        let now = Timestamp::from_secs(1_700_000_060);
        let text = as_table(&[event(EventState::Pending), event(EventState::Failed(now))], now);
        for part in [&"ab".repeat(16), "films", "a\\u{1b}b", "pending", "failed", " 3 ", "in 1m00s", "http://app/cb", "Error status : 500."]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(as_table(&[], now), "no events\n");
    }

    #[test]
    fn the_json_has_times_where_they_mean_something() {
        let value: serde_json::Value = serde_json::from_str(&as_json(&[
            event(EventState::Pending),
            EventSummary { last_error: None, ..event(EventState::Delivered(Timestamp::from_secs(1_700_000_007))) },
        ]))
        .unwrap();
        assert_eq!((&value[0]["id"], &value[0]["state"]), (&json!("ab".repeat(16)), &json!("pending")));
        assert_eq!((&value[0]["next_attempt"], &value[0]["settled"]), (&json!("2023-11-14T22:15:20Z"), &json!(null)));
        assert_eq!((&value[1]["state"], &value[1]["settled"]), (&json!("delivered"), &json!("2023-11-14T22:13:27Z")));
        assert_eq!((&value[1]["next_attempt"], &value[1]["last_error"]), (&json!(null), &json!(null)));
        assert_eq!(value[0]["urls"], json!(["http://app/cb", "http://second/"]));
    }
}
