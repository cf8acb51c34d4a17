//! Listening, the request pipeline, bodies and draining.
