-- JSON is text here already, in its own order.
SELECT 1;
