"""The real Kafka, S3 and Elasticsearch on one machine, without Docker and without root."""
