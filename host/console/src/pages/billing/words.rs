//! Meters, features and subscriptions in words.

use resly_core::{
    meter::Meter,
    plan::{Feature, SubscriptionStatus},
};

pub fn meter(meter: Meter) -> &'static str {
    match meter {
        Meter::Messages => "Messages",
        Meter::Embeddings => "Embeddings",
        Meter::ConnectorCalls => "Connector calls",
        Meter::Fuel => "Fuel",
        Meter::ModelInputTokens => "Tokens read by models",
        Meter::ModelCachedInputTokens => "Tokens read from a cache",
        Meter::ModelOutputTokens => "Tokens written by models",
    }
}

/// What a meter counts.
pub fn meter_hint(meter: Meter) -> &'static str {
    match meter {
        Meter::Messages => "chats and searches",
        Meter::Embeddings => "passages of your knowledge that were read in",
        Meter::ConnectorCalls => "lookups and actions at your services",
        Meter::Fuel => "computing by connectors and by the reading of files, in instructions",
        Meter::ModelInputTokens => "what language models read for answers",
        Meter::ModelCachedInputTokens => "the part of it that the provider had in its cache",
        Meter::ModelOutputTokens => "what language models wrote",
    }
}

/// What stops when a meter's limit is reached.
pub fn at_limit(meter: Meter) -> &'static str {
    match meter {
        Meter::Messages => "Chats and searches are refused",
        Meter::Embeddings => "New content is refused",
        Meter::ConnectorCalls | Meter::Fuel => "Connectors aren't called",
        Meter::ModelInputTokens | Meter::ModelCachedInputTokens | Meter::ModelOutputTokens => "Questions are refused",
    }
}

pub fn feature(feature: Feature) -> &'static str {
    match feature {
        Feature::Chat => "Chats",
        Feature::Search => "Search",
        Feature::Rest => "REST over the tables",
        Feature::CustomConnectors => "Connectors of your own",
        Feature::Webhooks => "The webhook",
        Feature::Crawls => "Crawls of sites",
        Feature::Documents => "Files as sources",
    }
}

pub fn status(status: SubscriptionStatus) -> &'static str {
    match status {
        SubscriptionStatus::Trial => "Trial",
        SubscriptionStatus::Active => "Active",
        SubscriptionStatus::PastDue => "A payment is due",
        SubscriptionStatus::Expired => "Ended",
    }
}
