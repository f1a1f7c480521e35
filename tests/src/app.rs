//! The production router in process, with doubles chosen at the composition root.
