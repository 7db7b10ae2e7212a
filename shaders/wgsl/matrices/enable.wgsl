// Products by cooperative matrices, the small products that subgroups ("teams" here) do together.
{ENABLE}
