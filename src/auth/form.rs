//! POST policy forms (S3 API Reference, "POST Object", "Creating a POST Policy").
