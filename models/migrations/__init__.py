"""Migrations, in order. What has been released is never edited."""
