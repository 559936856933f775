"""The pages of control: actions on a node, jobs, and actions on several nodes."""
