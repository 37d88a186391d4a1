"""What the flags say is the configuration, and what no flag says is its default."""

import dataclasses
import pathlib

import pytest
from absl.testing import flagsaver

import tff_retail.train  # noqa: F401 - defines the flags of a run
from tff_retail import flags
from tff_retail.config import (
    ConfigurationError,
    DataConfig,
    FleetConfig,
    LearningConfig,
    ModelConfig,
    RunConfig,
    RuntimeConfig,
    ScheduleConfig,
)

_CONFIGS = pathlib.Path(__file__).resolve().parents[1] / "configs"


@pytest.fixture
def config_of():
    """The configuration that arguments say."""

    def parse(*arguments: str) -> RunConfig:
        flags.FLAGS.unparse_flags()
        flags.FLAGS(["train", *arguments])
        return flags.run_config_from_flags()

    with flagsaver.flagsaver():
        yield parse


def test_without_flags_it_is_the_default(config_of):
    assert config_of("--data_dir=chain") == RunConfig(data=DataConfig(data_dir="chain"))


def test_each_field_has_a_flag(config_of):
    changed = RunConfig(
        data=DataConfig(
            tfds="freiburg_groceries",
            tfds_split="train[:50%]",
            tfds_data_dir="tfds",
            partitioner="shards",
            num_stores=7,
            partition_alpha=0.3,
            cache_dir="cache",
            validation_fraction=0.3,
            eval_dir="test set",
        ),
        model=ModelConfig(
            name="resnet18",
            width_multiplier=0.5,
            image_size=64,
            normalization="frozen_batch",
            weights="first.npz",
            freeze_backbone=True,
        ),
        learning=LearningConfig(
            client_optimizer="sgd",
            client_learning_rate=0.02,
            server_optimizer="yogi",
            server_learning_rate=0.03,
            momentum=0.8,
            weight_decay=0.01,
            label_smoothing=0.1,
            learning_rate_schedule="cosine",
            warmup_rounds=2,
            update_clip_norm=3.0,
            local_epochs=2,
            batch_size=8,
            augmentation="none",
            precision="mixed_bfloat16",
            update_dtype="int4",
            broadcast_dtype="float16",
        ),
        schedule=ScheduleConfig(
            rounds=30,
            participation=0.5,
            min_stores=2,
            min_available_stores=4,
            eval_every=3,
            patience=5,
            seed=9,
        ),
        runtime=RuntimeConfig(
            device="cpu",
            parallel_stores=3,
            intra_op_threads=2,
            deterministic=True,
            engine="ray",
            ray_address="head:6379",
        ),
        fleet=FleetConfig(
            listen_address="[::1]:443",
            fleet_dir="chain",
            labels_file="products.txt",
            manifest_key="signing/manifest.key",
            round_deadline_s=60.0,
            overselect=0.3,
            wait_for_stores_s=120.0,
            rejoin_wait_s=0.0,
            metrics_address="localhost:9100",
        ),
        output_dir="elsewhere",
        compare_central=True,
        compare_local=True,
        unknown_share=0.1,
    )
    assert config_of(*_arguments(changed)) == changed
    # The test is worth what it changes: each field there is.
    default = RunConfig(data=DataConfig(data_dir="chain")).to_json()
    same = {
        f"{part}.{name}"
        for part, values in changed.to_json().items()
        if isinstance(values, dict)
        for name, value in values.items()
        if value == default[part][name]
    }
    assert same == {"data.stores"}  # real stores have photographs of their own: see below


def test_real_stores_bring_their_own_photographs(config_of):
    assert config_of("--stores=remote").data == DataConfig(stores="remote")


def _arguments(config: RunConfig) -> list[str]:
    arguments = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        is_part = dataclasses.is_dataclass(value) and not isinstance(value, type)
        parts = dataclasses.asdict(value) if is_part else {}
        for name, inner in (parts or {field.name: value}).items():
            flag = "model" if (field.name, name) == ("model", "name") else name
            if inner is not None:
                arguments.append(f"--{flag}={inner}")
    return arguments


def test_the_standing_example_sets_everything_but_where_the_stores_are(config_of):
    lines = (_CONFIGS / "prod.flags").read_text(encoding="utf-8").splitlines()
    config = config_of("--data_dir=chain", *lines[1:])
    unset = {
        name
        for name in (flag.removeprefix("--").partition("=")[0] for flag in _arguments(config))
        if not flags.FLAGS[name].present
    }
    about_tfds = {"tfds_split", "partitioner", "num_stores", "partition_alpha"}
    about_clusters = {"engine", "ray_address"}
    about_fleets = {"stores", "listen_address", "fleet_dir"}
    assert unset == about_tfds | about_clusters | about_fleets


def test_a_frozen_backbone_is_not_augmented_unless_asked_for(config_of):
    frozen = ("--data_dir=chain", "--freeze_backbone", "--weights=previous_run")
    assert config_of(*frozen).learning.augmentation == "none"
    with pytest.raises(ConfigurationError, match="--augmentation must be none with --freeze"):
        config_of(*frozen, "--augmentation=strong")


def test_imagenet_weights_bring_their_normalization(config_of):
    config = config_of("--data_dir=chain", "--weights=imagenet")
    assert config.model.normalization == "frozen_batch"


def test_parallel_stores_is_auto_or_a_number(config_of):
    assert config_of("--data_dir=chain").runtime.parallel_stores is None
    assert config_of("--data_dir=chain", "--parallel_stores=4").runtime.parallel_stores == 4
    with pytest.raises(
        ConfigurationError, match="^--parallel_stores must be auto or a number, found 'many'$"
    ):
        config_of("--data_dir=chain", "--parallel_stores=many")


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ((), "--data_dir must say where the stores are, found nothing; set --data_dir=FOLDER"),
        (("--data_dir=a", "--tfds=b"), "--data_dir must be left out where --tfds is set"),
        (("--data_dir=a", "--participation=1.5"), "--participation must be in (0, 1], found 1.5"),
        (("--data_dir=a", "--rounds=0"), "--rounds must be at least 1, found 0"),
        (
            ("--data_dir=a", "--rounds=5", "--warmup_rounds=5"),
            "--warmup_rounds must be below --rounds (5), found 5",
        ),
        (
            ("--data_dir=a", "--ray_address=ray://head:10001"),
            "--ray_address must be auto, local or HOST:PORT, found 'ray://head:10001'",
        ),
        (
            ("--data_dir=a", "--ray_address=head:99999"),
            "--ray_address must be auto, local or HOST:PORT, found 'head:99999'",
        ),
        (("--data_dir=a", "--freeze_backbone"), "--weights must be imagenet or a file with"),
        (
            ("--data_dir=a", "--normalization=frozen_batch"),
            "--normalization must be group when --weights=none",
        ),
        (
            ("--data_dir=a", "--min_stores=6"),
            "--min_available_stores must be at least --min_stores (6), found 5",
        ),
        (
            ("--stores=remote", "--data_dir=a"),
            "--data_dir must be left out with --stores=remote, since real stores have their own",
        ),
        (
            ("--stores=remote", "--compare_local"),
            "--compare_local must be off with --stores=remote, since no photograph is at",
        ),
        (
            ("--stores=remote", "--engine=ray"),
            "--engine must be local with --stores=remote, where the stores themselves",
        ),
        (
            ("--stores=remote", "--listen_address=8443"),
            "--listen_address must be HOST:PORT, found '8443'; such as 0.0.0.0:8443",
        ),
        (
            ("--stores=remote", "--metrics_address=::1:9100"),
            "--metrics_address must be HOST:PORT, found '::1:9100'",
        ),
        (("--stores=remote", "--overselect=-1"), "--overselect must be in [0, 4], found -1.0"),
        (
            ("--stores=remote", "--round_deadline_s=0"),
            "--round_deadline_s must be in (0, 86400], found 0.0",
        ),
        (("--data_dir=a", "--image_size=16"), "--image_size must be in [32, 1024], found 16"),
    ],
)
def test_a_wrong_combination_is_one_sentence(config_of, arguments, sentence):
    with pytest.raises(ConfigurationError) as error:
        config_of(*arguments)
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)
