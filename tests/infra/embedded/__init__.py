"""What the embedded drivers promise beyond their ports: power cuts, rivals, file modes."""
