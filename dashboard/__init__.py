"""The dashboard: Streamlit pages over plain view functions, which read published runs and the case store."""
