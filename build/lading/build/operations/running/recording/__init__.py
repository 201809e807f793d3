"""The web as a recorded step sees it: everything goes by way of us, is kept, and can be answered from the store."""
