//! One connector call, from the policy check to the log row.
