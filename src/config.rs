//! Settings: flags over environment over file over default, validated once.
