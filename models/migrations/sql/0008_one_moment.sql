-- A volatile function looks at the database anew, and found an account that had moved since the statement that called
-- it began: its newest line was in the balance and not among the lines read by the same statement. A stable one sees
-- what its caller sees.
alter function bound_account(bigint) stable;
