"""The store: what people do with findings across runs, in SQLite beside the runs or in PostgreSQL.

Results stay in Parquet; the store holds runs, cases with their history, approvals and the audit log.
"""
