"""What the modules of a runtime look like from outside: pools, methods, table lengths.

Names, ids and table lengths are those a real 2.3.2 with its default compose
lists; older generations get the same tables, though theirs are a little shorter.
A method table is padded: ids without a name exist in the answer with an empty name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from apps.runtime.types import WireGeneration

_BASIC = "0:Create 1:Destroy 9:Monitor"


@dataclass(frozen=True, slots=True)
class ChiMod:
    name: str
    table_length: int
    methods: dict[int, str]


class PoolSpec(NamedTuple):
    """A composed pool that is no block device."""

    pool_id: str
    pool_name: str
    chimod: str
    since: WireGeneration


def _chimod(name: str, table_length: int, methods: str) -> ChiMod:
    pairs = (item.split(":") for item in f"{_BASIC} {methods}".split())
    return ChiMod(name, table_length, {int(number): label for number, label in pairs})


CHIMODS: dict[str, ChiMod] = {
    chimod.name: chimod
    for chimod in (
        _chimod(
            "clio_admin",
            36,
            "10:GetOrCreatePool 11:DestroyPool 12:StopRuntime 13:Flush 14:Send 15:Recv "
            "16:ClientConnect 18:SubmitBatch 19:WreapDeadIpcs 20:ClientRecv 21:ClientSend "
            "22:RegisterMemory 23:RestartContainers 24:AddNode 25:ChangeAddressTable "
            "26:MigrateContainers 27:Heartbeat 28:HeartbeatProbe 29:ProbeRequest "
            "30:RecoverContainers 31:SystemMonitor 32:AnnounceShutdown 33:RegisterGpuContainer "
            "34:ListContainers 35:QueryTaskProgress",
        ),
        _chimod(
            "clio_bdev",
            19,
            "10:AllocateBlocks 11:FreeBlocks 12:Write 13:Read 14:GetStats 15:Update "
            "16:SetLifespan 17:FlushAllocLog 18:Sync",
        ),
        _chimod(
            "clio_cae_core",
            36,
            "10:ParseOmni 11:ProcessHdf5Dataset 12:ExportData 13:ImportData 14:GetOrCreateTag "
            "15:PutBlob 16:GetBlob 35:SemanticSearch",
        ),
        _chimod(
            "clio_cte_core",
            58,
            "10:RegisterTarget 11:UnregisterTarget 12:ListTargets 13:StatTargets "
            "14:GetOrCreateTag 15:PutBlob 16:GetBlob 17:ReorganizeBlob 18:DelBlob 19:DelTag "
            "20:GetTagSize 21:PollTelemetryLog 22:GetBlobScore 23:GetBlobSize "
            "24:GetContainedBlobs 25:GetBlobInfo 30:TagQuery 31:BlobQuery 32:GetTargetInfo "
            "33:FlushMetadata 34:FlushData 35:SemanticSearch 36:TemporalSearch 37:TruncateBlob "
            "38:RenameTag 39:GetOrCreateTagAlias 40:GetTagName 41:GetCapacity 42:GetNumAliases "
            "43:PodPutBlob 44:PodGetBlob 45:PodReorganizeBlob 46:DynamicReorganize 47:Evict "
            "48:MultiPutBlob 49:RegisterReplicaContainer 50:GetResidency 51:PodMultiPutBlob "
            "52:PodMultiGetBlob 53:PodMultiScore 55:UpdateTagNames 56:SyncTag 57:ListLocalBlobs",
        ),
        _chimod(
            "clio_cte_filesystem",
            40,
            "10:Open 11:Close 12:Read 13:Write 14:Getattr 15:Truncate 17:Readdir 18:Mkdir "
            "19:Rmdir 20:Unlink 21:Rename 22:StatSize 23:Link 28:Utimens 29:Symlink 30:Readlink "
            "31:Setxattr 32:Getxattr 33:Listxattr 34:Removexattr 35:Chown 36:MultiCreate "
            "37:AdvanceSize 38:ShardOp",
        ),
        _chimod(
            "clio_cte_replication",
            105,
            "15:PutBlob 16:GetBlob 18:DelBlob 23:GetBlobSize 37:TruncateBlob 48:MultiPutBlob "
            "56:SyncTag 100:ReplicateBlob 101:FlushTag 102:ReplicateSweep 103:HandoffPull "
            "104:HandoffSweep",
        ),
        _chimod("clio_cte_cache", 101, "15:PutBlob 16:GetBlob 23:GetBlobSize 48:MultiPutBlob"),
        _chimod(
            "clio_cte_indexer",
            102,
            "15:PutBlob 18:DelBlob 19:DelTag 35:SemanticSearch 37:TruncateBlob 38:RenameTag "
            "48:MultiPutBlob 55:UpdateTagNames 100:IndexSweep 101:ReindexScan",
        ),
        _chimod("clio_cte_stream", 15, "10:SizeOp 11:Append 12:Flush 13:Sequence 14:Plan"),
    )
}

POOLS: tuple[PoolSpec, ...] = (
    PoolSpec("1.0", "admin", "clio_admin", WireGeneration.V2_0),
    PoolSpec("400.0", "cae_main", "clio_cae_core", WireGeneration.V2_0),
    PoolSpec("512.0", "cte_main", "clio_cte_core", WireGeneration.V2_0),
    PoolSpec("560.0", "clio_cte_filesystem", "clio_cte_filesystem", WireGeneration.V2_2),
    PoolSpec("561.0", "clio_cte_replication", "clio_cte_replication", WireGeneration.V2_2),
    PoolSpec("563.0", "clio_cte_cache", "clio_cte_cache", WireGeneration.V2_2),
    PoolSpec("564.0", "clio_cte_indexer", "clio_cte_indexer", WireGeneration.V2_3),
    PoolSpec("565.0", "clio_cte_stream", "clio_cte_stream", WireGeneration.V2_3),
)


def pools_of(generation: WireGeneration) -> tuple[PoolSpec, ...]:
    """The composed pools that a runtime of this generation has, block devices aside."""
    return tuple(pool for pool in POOLS if pool.since.value <= generation.value)
