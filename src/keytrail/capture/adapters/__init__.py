"""One screen per carrier of incoming requests or wire tap of outgoing ones."""
