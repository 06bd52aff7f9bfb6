"""Networks and settings that train in a second."""

NETWORKS = {
    "deeplab": {"depth_multiplier": 0.1, "output_stride": 16, "classifier_dropout_prob": 0.1},
    "segformer": {
        "depths": [1, 1, 1, 1],
        "hidden_sizes": [8, 8, 8, 8],
        "num_attention_heads": [1, 1, 1, 1],
        "decoder_hidden_size": 8,
    },
    "yolos": {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "num_detection_tokens": 5,
        "use_mid_position_embeddings": False,
    },
    "rtdetr": {
        "backbone_config": {
            "embedding_size": 8,
            "hidden_sizes": [8, 8, 8, 8],
            "depths": [1, 1, 1, 1],
            "layer_type": "basic",
        },
        "encoder_in_channels": [8, 8, 8],
        "encoder_hidden_dim": 16,
        "encoder_ffn_dim": 16,
        "encoder_attention_heads": 2,
        "decoder_in_channels": [16, 16, 16],
        "d_model": 16,
        "decoder_ffn_dim": 16,
        "decoder_attention_heads": 2,
        "decoder_layers": 1,
        "num_queries": 6,
        "num_denoising": 4,
    },
}


def settings(layout, root, network, **parts):
    """A comparison on a made dataset, as its YAML file has it."""
    return {
        "data": {"layout": layout, "root": str(root), "colour": True},
        "kinds": ["visible", "infrared", "stacked", "average"],
        "references": ["visible", "infrared"],
        "seeds": [0, 1],
        "network": {"name": network, "settings": NETWORKS[network]},
        "images": {"size": [48, 64], "jitter": 0.1},
        "training": {"batch": 2, "steps": 2, "lr": 0.01},
        "run": {"device": "cpu", "threads": 1},
        "shown": 1,
        **parts,
    }
