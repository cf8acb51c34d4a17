//! Tables of requests and answers.
