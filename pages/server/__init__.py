"""What stands before Streamlit in the server: who may ask, what a browser may do with an answer, how much of it."""
