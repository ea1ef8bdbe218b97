"""A whole cohort assessed: in this process, in several, or on a cluster; resumable, and one bad case stops nothing."""
