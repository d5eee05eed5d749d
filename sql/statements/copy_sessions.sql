-- Copies these sessions in their present state; returns their number.
SELECT copy_sessions($1::text[]);
