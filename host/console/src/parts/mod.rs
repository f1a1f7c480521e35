//! The parts that pages are drawn with: each looks and behaves alike everywhere. `assets/console.css` has their style.

mod alert;
mod badge;
mod code;
mod countdown;
mod dialog;
mod empty;
mod facts;
mod field;
mod form;
mod icon;
mod meter;
mod plot;
mod prose;
mod rows;
mod schema_form;
mod steps;
mod strip;
mod tabbed;
mod table;
mod tabs;
mod when;

pub use self::{
    alert::alert,
    badge::{Tone, badge},
    code::{copyable, snippet},
    countdown::countdown,
    dialog::{confirm, dialog},
    empty::empty,
    facts::facts,
    field::{Choice, Field, area, check, choices, select},
    form::{button, form, submit},
    icon::icon,
    meter::meter,
    plot::{Marks, Plot, Series},
    prose::prose,
    rows::rows,
    schema_form::{Filled, SchemaForm},
    steps::steps,
    strip::strip,
    tabbed::tabbed,
    table::{Table, pager, pager_to, part},
    tabs::tabs,
    when::{date, when},
};
