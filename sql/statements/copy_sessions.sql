-- Copies these sessions as they are now; how many of them there are.
SELECT copy_sessions($1::text[]);
